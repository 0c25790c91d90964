"""What was understood of an input, what was refused and what is suspicious: built from plain facts, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...core.words import plural
from ...images.preprocess import PreprocessConfig
from ...images.reasons import Reason
from ...images.text_reader import TextReading
from ...layouts.listing import About, Refusal
from ..figures import DuplicateFigures
from ..table import Cohort
from .copies import Duplicates
from .copy_checks import suspect_copies
from .label_checks import count_labels, suspect_labels, suspect_misread
from .name_checks import NamesCheck, suspect_names
from .picture_checks import (
    FileForms,
    count_about,
    count_sizes,
    histogram,
    mask_examples,
    much_cropped,
    picture_sentences,
    suspect_form,
    suspect_masks,
    suspect_mixture,
    suspect_notes,
    suspect_others,
)
from .sizes import SizeCheck, check_size, subjects_per_subset, suspect_size
from .suspicion import EXAMPLES, Suspicion
from .text_checks import TextCheck

MUCH_QUARANTINE = 0.05
LEAST_DOMINANT = 20
"""Images of one subject that are never suspected to be of several people."""
TOP_SIZES = 10


@dataclass(frozen=True)
class Understanding:
    """What `unpersonal init` says; `examples` alone names images, for the owner's eyes."""

    layout: str
    subject_from: str
    """Where the subject of every image was taken from."""
    read: int
    images: int
    subjects: int
    images_per_subject: dict[str, float]
    """`min`, `median`, `max`."""
    labels: dict[str, dict[str, dict[str, int]]]
    """Label → split (and `all`) → `images`, `subjects`."""
    unlabelled: int
    splits: dict[str, dict[str, int]]
    """Split → `images`, `subjects`."""
    sizes: list[dict[str, int]]
    """The most frequent: `height`, `width`, `images`."""
    other_sizes: dict[str, int]
    """`sizes` and `images` beyond those."""
    bits: dict[str, int]
    channels: dict[str, int]
    quarantined: dict[str, int]
    ignored: int
    """Files that are no images by name."""
    colour: bool
    duplicates: DuplicateFigures
    names: dict[str, int]
    text: int | None
    """Images in which text may be burned in; None: nobody looked."""
    text_read: dict[str, int] | None
    """`TextCheck.to_json`: what the optional reader found in them."""
    size: SizeCheck
    notes: list[str]
    warnings: list[Suspicion]
    examples: dict[str, Any] = field(default_factory=dict)
    modalities: dict[str, int] = field(default_factory=dict)
    """Images of each modality (DICOM) or sequence (names of volumes), where the input says it."""
    body_parts: dict[str, int] = field(default_factory=dict)
    sorts: dict[str, int] = field(default_factory=dict)
    """Images that are no plain pictures: `localizer`, `secondary-capture`, `derived`."""

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it; with examples that name images."""
        size = {**asdict(self.size), "enough": self.size.enough}
        return {**asdict(self), "duplicates": self.duplicates.to_json(), "size": size}


def understand(
    cohort: Cohort,
    facts: FileForms | None = None,
    quarantine: Sequence[Refusal] = (),
    *,
    layout: str = "",
    subject_from: str = "",
    suspicions: Sequence[Suspicion] = (),
    suspected: Mapping[str, Sequence[Any]] | None = None,
    miss_bound: float = 0.01,
    confidence: float = 0.95,
    fractions: Mapping[str, float] | None = None,
    duplicates: Duplicates | None = None,
    names: NamesCheck | None = None,
    text: np.ndarray | None = None,
    readings: Mapping[int, TextReading] | None = None,
    picture_notes: Mapping[str, int] | None = None,
    conflicts: tuple[int, str] = (0, ""),
    notes: Iterable[str] = (),
    ignored: int = 0,
    preprocessing: PreprocessConfig | None = None,
    colour: bool = False,
    about: Mapping[str, About] | None = None,
    masks: Sequence[str] = (),
    others: Mapping[str, np.ndarray] | None = None,
) -> Understanding:
    """Join what the reading found into one report.

    `quarantine` rows are (path, reason, detail). `fractions` are those of the splits where they were drawn, None where
    the input gives them. `text` holds `burned_text.text_score` of each image [n], `readings` what was read in the
    suspected ones, by row (None: nobody read); `picture_notes` counts the images with each note of `picture.NOTES`;
    `conflicts` is the number of subjects in two given splits and what became of them; `notes` are sentences for the
    owner; `ignored` counts files of other kinds; `preprocessing` says what becomes of the images; `about` is what the
    input says of each, `masks` are files named like masks, `others` rows of each kind of `images.other_pictures`;
    `suspicions` are warnings about subjects, which come first, `suspected` the examples of each by its kind. What is
    None was not looked at, and nothing is said about it.
    """
    if facts is not None and len(facts.height) != len(cohort):
        raise ValueError(f"{len(facts.height)} facts for {len(cohort)} images")
    per_subject = cohort.table["subject"].value_counts().to_numpy()
    labels, splits = count_labels(cohort)
    size = check_size(subjects_per_subset(cohort), miss_bound, fractions, confidence)
    texts = None if text is None else TextCheck.of(text, readings)
    told = [(about or {}).get(image, About()) for image in cohort.table["image"]] if about else []
    forms = count_about(told)
    warnings = [
        *suspicions,
        *suspect_mixture(forms, len(cohort)),
        *suspect_masks(quarantine, masks, (picture_notes or {}).get("few-levels", 0), len(cohort)),
        *suspect_copies(cohort, duplicates),
        *_suspect_conflicts(*conflicts),
        *suspect_size(size, given=fractions is None),
        *suspect_labels(labels),
        *suspect_misread(cohort.labels),
        *suspect_form(facts, preprocessing),
        *_suspect_subjects(per_subject, len(cohort)),
        *(texts.suspicions() if texts else []),
        *suspect_others(others or {}, len(cohort)),
        *suspect_notes(picture_notes or {}),
        *suspect_names(names),
        *_suspect_quarantine(quarantine, len(cohort)),
    ]
    return Understanding(
        layout=layout,
        subject_from=subject_from,
        read=len(cohort) + len(quarantine),
        images=len(cohort),
        subjects=len(per_subject),
        images_per_subject=_spread(per_subject),
        labels=labels,
        unlabelled=sum(not len(row) for row in cohort.table["labels"]),
        splits=splits,
        **_count_forms(facts),
        quarantined=dict(sorted(Counter(reason.value for _, reason, _ in quarantine).items())),
        ignored=ignored,
        colour=colour,
        duplicates=duplicates.figures() if duplicates is not None else DuplicateFigures(),
        names=names.figures() if names is not None else {},
        text=None if texts is None else len(texts.rows),
        text_read=None if texts is None else texts.to_json(),
        size=size,
        notes=[*notes, *picture_sentences(picture_notes or {}), *(texts.notes() if texts else [])],
        warnings=warnings,
        examples=_examples(cohort, quarantine, duplicates, names, texts)
        | _cropped_examples(cohort, facts, preprocessing)
        | _sort_examples(cohort, told)
        | mask_examples(quarantine, masks)
        | {k: [str(cohort.table["image"].iloc[row]) for row in rows[:EXAMPLES]] for k, rows in (others or {}).items()}
        | dict(suspected or {}),
        modalities=forms["modality"],
        body_parts=forms["body part"],
        sorts=forms["sort"],
    )


def _spread(per_subject: np.ndarray) -> dict[str, float]:
    """Least, median and most images of a subject."""
    return {
        "min": int(per_subject.min()),
        "median": float(np.median(per_subject)),
        "max": int(per_subject.max()),
    }


def _count_forms(facts: FileForms | None) -> dict[str, Any]:
    """The fields of `Understanding` that say what the files are."""
    sizes = count_sizes(facts)
    others = sizes[TOP_SIZES:]
    return {
        "sizes": sizes[:TOP_SIZES],
        "other_sizes": {"sizes": len(others), "images": sum(row["images"] for row in others)},
        "bits": histogram(facts.bits) if facts is not None else {},
        "channels": histogram(facts.channels) if facts is not None else {},
    }


def _examples(
    cohort: Cohort,
    quarantine: Sequence[Refusal],
    duplicates: Duplicates | None,
    names: NamesCheck | None,
    text: TextCheck | None,
) -> dict[str, Any]:
    """Names of images behind the counts, a few each; empty kinds are left out."""
    images = cohort.table["image"].to_numpy()

    def named(groups: Iterable[Sequence[int]]) -> list[list[str]]:
        return [[str(images[row]) for row in group] for group in groups]

    refused: dict[str, list[str]] = {}
    for path, reason, _ in quarantine:
        if len(refused.setdefault(reason.value, [])) < EXAMPLES:
            refused[reason.value].append(path)
    shown = sorted({0, len(cohort) - 1})
    subjects = cohort.subjects
    found: dict[str, Any] = {"quarantine": refused, "subjects": [[str(images[i]), str(subjects[i])] for i in shown]}
    found["dominant-subject"] = [str(cohort.table["subject"].value_counts().index[0])]
    if duplicates is not None:
        found["exact_within_subjects"] = named(duplicates.within.examples)
        found["exact_across_subjects"] = named(duplicates.across.examples)
        found["near_across_subjects"] = named(duplicates.near.examples if duplicates.near else ())
    if names is not None:
        found["names"] = {kind: list(shown) for kind, shown in names.examples.items()}
    if text is not None:
        found["text"] = [str(images[row]) for row in text.rows[:EXAMPLES]]
    return {kind: examples for kind, examples in found.items() if examples}


def _cropped_examples(
    cohort: Cohort, facts: FileForms | None, preprocessing: PreprocessConfig | None
) -> dict[str, list[str]]:
    """Names of the images of which the crop takes most."""
    if facts is None or preprocessing is None or preprocessing.fit != "crop":
        return {}
    rows = much_cropped(facts)[:EXAMPLES]
    return {"cropped": [str(cohort.table["image"].iloc[row]) for row in rows]} if len(rows) else {}


def _sort_examples(cohort: Cohort, told: Sequence[About]) -> dict[str, list[str]]:
    """Names of images that are no plain pictures, a few of each sort."""
    found: dict[str, list[str]] = {}
    for image, about in zip(cohort.table["image"], told, strict=False):
        if about.sort and len(shown := found.setdefault(about.sort, [])) < EXAMPLES:
            shown.append(str(image))
    return found


def _suspect_conflicts(count: int, resolution: str) -> list[Suspicion]:
    if not count:
        return []
    sentence = f"{plural(count, 'subject')} in two given splits" + (f": {resolution}" if resolution else "")
    return [
        Suspicion(
            Reason.SPLIT_CONFLICT.value, sentence, count, "give each subject one split, or choose with --split-conflict"
        )
    ]


def _suspect_subjects(per_subject: np.ndarray, images: int) -> list[Suspicion]:
    """Suspect the largest subject, by the images of each [s], if it stands out from the others.

    It has a tenth of all images and five times the others' median, or ten times what 99 % of them have at most.
    """
    *others, most = sorted(map(int, per_subject))
    if not others or most < LEAST_DOMINANT:
        return []
    median, high = float(np.median(others)), others[int(0.99 * (len(others) - 1))]
    if not (most >= max(images / 10, 5 * median) or most >= 10 * high):
        return []
    sentence = f"one subject has {most:,} of the {images:,} images; the median of the others is {median:g}"
    return [Suspicion("dominant-subject", sentence, most, "check who it is: it may be several people under one name")]


def _suspect_quarantine(quarantine: Sequence[Refusal], images: int) -> list[Suspicion]:
    read = images + len(quarantine)
    reasons = Counter(reason for _, reason, _ in quarantine if not reason.chosen)
    spoiled = reasons.total()
    if spoiled <= MUCH_QUARANTINE * read:
        return []
    listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
    sentence = f"{spoiled:,} of {read:,} images ({spoiled / read:.0%}) were refused: {listed}"
    return [
        Suspicion("quarantine", sentence, spoiled, "quarantine.csv says why for each; mend the files or leave them")
    ]
