"""croissant.json: the release in MLCommons' Croissant 1.1 with the vocabulary for responsible AI (RAI 1.0).

Written by hand, as the specification has it: the package `mlcroissant` reads it, and nobody needs it to write it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from . import datasheet
from .about import About, citation, label_list, terms_of_use
from .marking import DIGITAL_SOURCE_TYPE
from .metadata import CONFORMS_TO, METADATA, PROBABILITY

VERSION = "1.0.0"
_OF_CROISSANT = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty"),
    *("fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
    *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator"),
    *("source", "subField", "transform"),
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{name: f"cr:{name}" for name in _OF_CROISSANT},
}
"""The context of Croissant 1.1: which vocabulary each word is of."""


def croissant(about: About, files: Mapping[str, str], probable: Sequence[str] = ()) -> dict[str, object]:
    """The document, of a release whose tables have the SHA-256 `files` by name, with probabilities of the classes
    `probable`."""
    told = about.told
    described = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": told.title,
        "description": (
            f"{about.images} synthetic images, {about.size}, with the labels {label_list(about.classes, '')}. Drawn by "
            "a diffusion model that was trained on images of people; what was tested before the release, and what not, "
            "stands in README.md and evidence.json."
        ),
        "license": about.licence if about.licence == told.license else terms_of_use(about).replace("*", ""),
        "citeAs": citation(about),
        "version": VERSION,
        "isLiveDataset": False,
        "keywords": ["synthetic data", "medical imaging", "privacy"],
        "inLanguage": "en",
        "creator": {"@type": "sc:Organization", "name": told.creator} if told.creator else None,
        "url": told.url,
        "datePublished": told.published,
        "distribution": _distribution(files),
        "recordSet": [_records(probable)],
    }
    return {key: value for key, value in described.items() if value not in (None, "")} | _responsible(about)


def _responsible(about: About) -> dict[str, object]:
    """The fields of responsible AI."""
    figures = about.figures
    return {
        "rai:dataCollection": datasheet.sampling(figures),
        "rai:dataCollectionType": ["Synthetic data: drawn by a diffusion model"],
        "rai:dataCollectionRawData": datasheet.people(figures),
        "rai:dataPreprocessingProtocol": [f"Images of the cohort were brought to {about.size} before training."],
        "rai:dataAnnotationProtocol": ["No annotation: an image has the labels under which it was drawn."],
        "rai:dataBiases": list(datasheet.biases(about)),
        "rai:dataLimitations": list(datasheet.limitations(about)),
        "rai:personalSensitiveInformation": [datasheet.personal(about).replace("*", "")],
        "rai:dataUseCases": [*datasheet.use_cases(), f"Not for: {datasheet.unfit()}"],
        "rai:dataSocialImpact": datasheet.social_impact(),
        "rai:dataReleaseMaintenancePlan": "A release is not changed. Who gave it away may withdraw it.",
        "rai:hasSyntheticData": True,
        "digitalSourceType": DIGITAL_SOURCE_TYPE,
    }


def _distribution(files: Mapping[str, str]) -> list[dict[str, object]]:
    tables: list[dict[str, object]] = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": "text/csv",
            "sha256": digest,
        }
        for name, digest in files.items()
    ]
    pictures: dict[str, object] = {
        "@type": "cr:FileSet",
        "@id": "images",
        "name": "images",
        "encodingFormat": "image/png",
        "includes": "images/*.png",
    }
    return [*tables, pictures]


def _records(probable: Sequence[str]) -> dict[str, object]:
    """A record for each image: its file, its labels, its bytes, and probabilities where there are any."""
    column = {"fileObject": {"@id": METADATA}}
    name: dict[str, object] = {
        "source": {
            **column,
            "extract": {"column": "file_name"},
            "transform": {"regex": "^(?:images/)?(.+)$"},
        },
        "references": {"fileSet": {"@id": "images"}, "extract": {"fileProperty": "filename"}},
    }
    fields = [
        _field("file_name", "sc:Text", name, "Name of the image's file."),
        _field(
            "label",
            ["sc:Text", "cr:Label"],
            {"source": {**column, "extract": {"column": "label"}}},
            "Labels of the image, joined by |.",
        ),
        _field(
            "image",
            "sc:ImageObject",
            {"source": {"fileSet": {"@id": "images"}, "extract": {"fileProperty": "content"}}},
            "The image.",
        ),
    ]
    for label in probable:
        source = {"source": {**column, "extract": {"column": f"{PROBABILITY}{label}"}}}
        fields.append(_field(f"{PROBABILITY}{label}", "sc:Float", source, f"Probability of {label}."))
    return {
        "@type": "cr:RecordSet",
        "@id": "records",
        "name": "records",
        "key": {"@id": "records/file_name"},
        "field": fields,
    }


def _field(name: str, kind: str | list[str], where: Mapping[str, object], said: str) -> dict[str, object]:
    return {
        "@type": "cr:Field",
        "@id": f"records/{quote(name, safe='')}",
        "name": name,
        "description": said,
        "dataType": kind,
        **where,
    }
