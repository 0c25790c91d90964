"""The paediatric chest radiographs of Kermany et al., Cell 172 (2018)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ...core.words import share
from ...images.archives import ImageArchive
from ..config import CohortConfig
from ..layout import Layout, SubjectRule
from ..listing import ListedImage, Listing, Problems, choose_classes, make_listing, subjects_by_pattern
from ..names import image_names
from .folder import LAYOUT as FOLDER

# Kermany et al., Cell 172 (2018): person<N>_<type>_<M>.jpeg and [NORMAL2-]IM-<N>-<k>[-<j>].jpeg
KERMANY = re.compile(
    r"(?:^|/)(?:(?P<subject>person\d+_(?P<type>bacteria|virus))_\d+(?:_\d+)?"
    r"|(?:NORMAL2-)?(?P<normal>IM-\d+)-\d+(?:-\d+)?)\.(?:jpeg|jpg|png)$"
)
KERMANY_CLASSES = ("normal", "bacteria", "virus")
SPLIT_FOLDERS = ("train", "val", "test")
LABEL_FOLDERS = {"NORMAL", "PNEUMONIA"}


def read_kermany(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Names of the paediatric chest radiographs of Kermany et al.: subject and label are in the name.

    Folders `train`, `val` and `test`, where they are there, are the official splits.
    """
    problems = Problems(str(path))
    names, ignored = image_names(archive, path)
    matches = [KERMANY.search(name) for name in names]
    missed = [name for name, match in zip(names, matches, strict=True) if match is None]
    if missed:
        problems.add(
            f"{share(len(missed), len(names), 'images', 'is', 'are')} not named as in the Kermany data "
            f"(for example {missed[0]!r})",
            f"use --layout {FOLDER.name} with --subject, or move those images away",
        )
        problems.raise_any()
    found = [match for match in matches if match is not None]
    subjects = [_subject(match) for match in found]
    if config.subject is not None:
        subjects = subjects_by_pattern(names, config.subject, problems)
    labels = [(match["type"] or "normal",) for match in found]
    classes = choose_classes(labels, config.classes or KERMANY_CLASSES, problems)
    problems.raise_any()
    splits = [_split(name) for name in names] if config.official_splits else [None] * len(names)
    records = (ListedImage(*fields) for fields in zip(names, subjects, labels, splits, strict=True))
    official = any(split is not None for split in splits)
    return make_listing(archive, records, classes, ignored, official=official)


def is_kermany(images: Sequence[str]) -> bool:
    """Whether all images are named as those radiographs and some are `person<N>_…` in the folder PNEUMONIA.

    `IM-<N>-<k>` alone is what OsiriX calls anybody's images.
    """
    matches = [KERMANY.search(name) for name in images]
    return (
        all(matches)
        and any(match["subject"] for match in matches if match)
        and all(not LABEL_FOLDERS.isdisjoint(PurePosixPath(name).parts[:-1]) for name in images)
    )


def _subject(match: re.Match[str]) -> str:
    return match["subject"] or match["normal"] or ""


def _split(name: str) -> str | None:
    """The folder among train, val and test that an image lies in, the innermost one."""
    return next((own for own in reversed(PurePosixPath(name).parts[:-1]) if own in SPLIT_FOLDERS), None)


LAYOUT = Layout(
    name="kermany",
    title="the paediatric chest radiographs of Kermany et al., Cell 172 (2018)",
    read=read_kermany,
    all_named=is_kermany,
    instead=FOLDER.name,
    official_splits=True,
    subjects=SubjectRule(
        "person<N>_<type> or IM-<N> in the name of the file",
        called="person<N>_<type> or IM-<N>",
        pattern=KERMANY,
        name=_subject,
    ),
)
