"""A last look at every text that is published or reported: what names a person or a file of the cohort is withheld."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import overload

from ..core.errors import InputError
from ..matching.kinds import KINDS

WITHHELD = "[withheld]"
_SHORTEST = 4
_ORDINARY = frozenset(
    word
    for line in (
        "train training test testing valid validation images image files file data dataset labels cohort study series",
        "scan scans frames slices dicom nifti anat chest xray frontal lateral normal abnormal case cases control",
        "controls patient patients subject subjects real synthetic baseline release audit",
    )
    for word in line.split()
) | {kind.name for kind in KINDS}
"""Folders and files that name no person, in whatever case: these words stand in figures and texts."""
_VOLUME = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_TOKEN = re.compile(r"[^\s'\",;:()\[\]{}<>|/\\]+")
_PATH = re.compile(r"[^\s'\",;:()\[\]{}<>|]*/[^\s'\",;:()\[\]{}<>|]*")


def private_names(study: Path) -> frozenset[str]:
    """Subjects, image paths, file names, their stems and folders of the cohort, without class names and short names.

    Names under four characters cannot be told from words and figures. A file or folder name that more than half of the
    subjects share names none of them. Empty where the study has no cohort.
    """
    from ..cohort.table import load_cohort
    from ..images.picture import split_name

    try:
        cohort = load_cohort(study)
    except InputError:
        return frozenset()
    names: set[str] = set()
    sharing: Counter[str] = Counter()  # subjects
    last: dict[str, str] = {}
    table = cohort.table.sort_values("subject", kind="stable")
    for image, subject in zip(table["image"].astype(str), table["subject"].astype(str), strict=True):
        file, _ = split_name(image)
        names |= {image, file, subject}
        for component in _components(image, file):
            if last.get(component) != subject:
                last[component] = subject
                sharing[component] += 1
    most = max(1, table["subject"].nunique() / 2)
    names |= {
        component
        for component, subjects in sharing.items()
        if subjects <= most and component.casefold() not in _ORDINARY
    }
    return frozenset(name for name in names - set(cohort.classes) if len(name) >= _SHORTEST)


def _components(image: str, file: str) -> set[str]:
    """What may name a person in the name of an image: its file with and without fragment and ending, its folders."""
    path = PurePosixPath(file)
    return {*path.parts, PurePosixPath(image).name, path.stem, _VOLUME.sub("", path.name)}


@overload
def withhold(value: str, names: frozenset[str]) -> str: ...
@overload
def withhold(value: Mapping[str, object], names: frozenset[str]) -> dict[str, object]: ...
@overload
def withhold(value: tuple[str, ...], names: frozenset[str]) -> list[str]: ...
@overload
def withhold(value: object, names: frozenset[str]) -> object: ...
def withhold(value: object, names: frozenset[str]) -> object:
    """Copy of a JSON value in which every key or text that holds one of `names` as a word is dropped or replaced."""
    if isinstance(value, Mapping):
        return {key: withhold(item, names) for key, item in value.items() if not _names_in(str(key), names)}
    if isinstance(value, list | tuple):
        return [withhold(item, names) for item in value]
    return WITHHELD if isinstance(value, str) and _names_in(value, names) else value


def _names_in(text: str, names: frozenset[str]) -> bool:
    if text in names:
        return True
    tokens = _TOKEN.findall(text) + _PATH.findall(text)
    return any(token in names or token.strip(".") in names for token in tokens)
