"""MedNIST: six folders of small images of different modalities, without subjects."""

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

MEDNIST_CLASSES = ("AbdomenCT", "BreastMRI", "ChestCT", "CXR", "Hand", "HeadCT")
MEDNIST = re.compile(rf"(?:^|/)(?P<label>{'|'.join(MEDNIST_CLASSES)})/\d+\.(?:jpeg|jpg|png)$")
ASSUMED = (
    "MedNIST does not say who is on its images: every image was taken as a person of its own. Nobody can check that; "
    "images of one person may lie in several splits, and figures about persons are figures about images."
)


def read_mednist(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Label is the folder; the data set has no subjects, so every image is one unless `--subject` finds another."""
    problems = Problems(str(path))
    names, ignored = image_names(archive, path)
    matches = [MEDNIST.search(name) for name in names]
    missed = [name for name, match in zip(names, matches, strict=True) if match is None]
    if missed:
        problems.add(
            f"{share(len(missed), len(names), 'images', 'does', 'do')} not lie as in MedNIST "
            f"(for example {missed[0]!r})",
            f"use --layout {FOLDER.name} with --subject, or move those images away",
        )
        problems.raise_any()
    labels = [(match["label"],) for match in matches if match is not None]
    subjects = subjects_by_pattern(names, config.subject or "file", problems)
    classes = choose_classes(labels, config.classes or MEDNIST_CLASSES, problems)
    problems.raise_any()
    records = (ListedImage(*fields) for fields in zip(names, subjects, labels, strict=True))
    notes = [ASSUMED] if config.subject in (None, "file") else []
    return make_listing(archive, records, classes, ignored, notes=notes)


def is_mednist(images: Sequence[str]) -> bool:
    """Whether every image lies in one of the six folders under a number, and at least two of the folders are there."""
    folders = {PurePosixPath(name).parent.name for name in images}
    return len(folders) > 1 and all(MEDNIST.search(name) for name in images)


LAYOUT = Layout(
    name="mednist",
    title="the six folders of MedNIST, whose people nobody knows",
    read=read_mednist,
    all_named=is_mednist,
    instead=FOLDER.name,
    subjects=SubjectRule("nobody: every image is taken as a person of its own"),
)
