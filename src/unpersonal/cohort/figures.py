"""Figures of the cohort stage: counts of images, subjects and labels, and what was suspicious."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures, absent


@dataclass(frozen=True, kw_only=True)
class ExactCopyFigures(Figures):
    """Groups of images with the same prepared pixels, the pairs in them, and the images that are in one."""

    groups: int
    pairs: int
    images: int


@dataclass(frozen=True, kw_only=True)
class NearCopyFigures(Figures):
    """Pairs of images of different subjects that are one picture but for small changes; see `duplicates.NearCopies`."""

    pairs: int
    images: int
    complete: bool
    too_alike: bool
    threshold: float
    expected_false: float | None
    planted: int
    recall: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class DuplicateFigures(Figures):
    """Copies in the cohort, as far as they were looked for; near copies need two subjects."""

    exact_within_subjects: ExactCopyFigures | None = absent()
    exact_across_subjects: ExactCopyFigures | None = absent()
    near_across_subjects: NearCopyFigures | None = absent()
    identical_files: int | None = absent()


@dataclass(frozen=True, kw_only=True)
class CohortFigures(Figures):
    """What was read, what was refused and how subjects were divided; no path, no subject.

    `read` counts the images that were there, `images` those of the cohort, `ignored` files that are no images by name,
    `text` images that may have text burned in (None: nobody looked).
    """

    layout: str
    read: int
    images: int
    subjects: int
    ignored: int
    duplicates: DuplicateFigures
    text: int | None
    quarantined: int
    quarantine_reasons: dict[str, int]
    classes: tuple[str, ...]
    colour: bool
    images_by_split: dict[str, int]
    subjects_by_split: dict[str, int]
    images_by_label: dict[str, int]
    unlabelled_images: int | None = absent()
    unlabelled_subjects: int | None = absent()
