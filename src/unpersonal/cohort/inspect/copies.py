"""Copies that were found in a cohort: how many, within and across subjects, and how many would have been missed."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...metrics.intervals import clopper_pearson_lower
from ..figures import DuplicateFigures, ExactCopyFigures, NearCopyFigures

TOO_MANY = 1 / 3
"""Share of the images that may look like copies of a stranger by chance; if more do, no pair means anything."""
LISTED = 1000
CANNOT_SEE = (
    "copies that were mirrored, rotated, cropped by more than about 3 % or zoomed; parts of an image; "
    "other images of the same person under another name; pictures that differ only in detail below 1/32 of the side; "
    "altered copies of one image that make up most of a cohort"
)


@dataclass(frozen=True)
class ExactCopies:
    """Groups of images with the same prepared pixels, the pairs of interest in them, and the images involved."""

    groups: int
    pairs: int
    images: int
    examples: tuple[tuple[int, ...], ...]
    """Row numbers of the first groups; for the owner's eyes."""
    listed: tuple[tuple[int, int], ...]
    """Row numbers of the pairs, at most 1,000."""
    links: tuple[tuple[int, int], ...] = ()
    """Row numbers of as many pairs as it takes to join every group."""

    def figures(self) -> ExactCopyFigures:
        """Aggregates only."""
        return ExactCopyFigures(groups=self.groups, pairs=self.pairs, images=self.images)


@dataclass(frozen=True)
class NearCopies:
    """Pairs of different subjects that are one picture up to re-encoding, size, brightness, noise or a slight crop."""

    pairs: int
    images: int
    examples: tuple[tuple[int, int], ...]
    """Row numbers of the most similar pairs; for the owner's eyes."""
    listed: tuple[tuple[int, int], ...]
    """Row numbers of the pairs, most similar first, at most 1,000."""
    threshold: float
    """Least registered score of a pair that is reported."""
    expected_false: float | None
    """Images that the fitted tail of strangers' scores lets through by chance, in the cohort; None: too few to say."""
    strangers: float
    """Median registered score of an image and its second most similar stranger."""
    recall: dict[str, float] = field(default_factory=dict)
    """Share of planted copies that would be found, by kind of change."""
    planted: int = 0
    """Copies of each kind that were planted."""
    candidates: int = 0
    """Pairs that were examined closely."""
    complete: bool = True
    """False where more pairs were suspicious than are examined and most were copies: `pairs` is a lower bound."""
    links: tuple[tuple[int, int], ...] = ()
    """Row numbers of all pairs that were found."""
    too_alike: bool = False
    """True where most images have a stranger as close as a copy would be: no pair is reported, which says nothing."""

    def found(self, kind: str) -> int:
        """Planted copies of one kind that would be found."""
        return round(self.recall[kind] * self.planted)

    @property
    def worst_kind(self) -> str:
        """The kind of planted copies of which the fewest are found."""
        return min(self.recall, key=self.recall.__getitem__)

    def least_recall(self, kind: str) -> float:
        """One-sided 95 % Clopper-Pearson lower bound of the recall of one kind."""
        return clopper_pearson_lower(self.found(kind), self.planted)

    def figures(self) -> NearCopyFigures:
        """Aggregates only, rounded."""
        return NearCopyFigures(
            pairs=self.pairs,
            images=self.images,
            complete=self.complete,
            too_alike=self.too_alike,
            threshold=round(self.threshold, 4),
            expected_false=self.expected_false and round(self.expected_false, 4),
            planted=self.planted,
            recall={kind: round(value, 4) for kind, value in self.recall.items()},
        )


@dataclass(frozen=True)
class Duplicates:
    """What `find_duplicates` found; `CANNOT_SEE` says what its method cannot find."""

    images: int
    within: ExactCopies
    across: ExactCopies
    near: NearCopies | None
    """None where fewer than two subjects leave nothing to compare."""
    identical_files: int
    """Images whose file is byte for byte that of another image; the others were saved anew."""

    @property
    def untold(self) -> bool:
        """Whether people are too alike to tell which of them share a picture."""
        return self.near is not None and (self.near.too_alike or self.near.images > TOO_MANY * self.images)

    @property
    def links(self) -> tuple[tuple[int, int], ...]:
        """Row numbers of pairs of different subjects with one picture: exact copies, and near ones where these can be
        told."""
        near = () if self.near is None or self.untold else self.near.links
        return (*self.across.links, *near)

    def figures(self) -> DuplicateFigures:
        """Aggregates only: no row, no subject."""
        near = self.near
        return DuplicateFigures(
            exact_within_subjects=self.within.figures(),
            exact_across_subjects=self.across.figures(),
            near_across_subjects=None if near is None else near.figures(),
            identical_files=self.identical_files,
        )
