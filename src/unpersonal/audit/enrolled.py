"""Whom matchers name: all train and control subjects are one gallery, in which neither side is told from the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..matching.blocks import score_in_blocks
from ..matching.strangers import pick_strangers
from .distances import frozen

if TYPE_CHECKING:
    from ..matching.base import Matcher, Scores
    from .images import SubjectImages
    from .matchers import NamedMatcher


@dataclass(frozen=True)
class Naming:
    """For each of q images the subject it is most like, int64 [q] in the order of their names, and the score [q].

    `strangers` float32 [t], in descending order, are the scores of people who are not in the gallery.
    """

    subject: np.ndarray
    score: np.ndarray
    strangers: np.ndarray

    def at(self, rate: float) -> np.ndarray:
        """Which images are named, bool [q], where at most a share `rate` of the strangers is."""
        if rate >= 1.0:
            floor = -np.inf
        else:
            floor = float(self.strangers[int(rate * len(self.strangers) + 1e-9)]) if len(self.strangers) else np.inf
        named: np.ndarray = self.score > floor
        return named

    def only(self, rows: np.ndarray) -> Naming:
        """The namings of the images `rows` (int64)."""
        return Naming(self.subject[rows], self.score[rows], self.strangers)


@dataclass(frozen=True)
class Enrolled:
    """A matcher with its gallery: `subject_of_row` int64 [g] in the order of `subjects` str [N].

    `others` says whom it names for strangers, one image each in the order of `pick_strangers`.
    """

    name: str
    matcher: Matcher[Any]
    gallery: Any
    subject_of_row: np.ndarray
    subjects: np.ndarray
    others: Naming

    @property
    def strangers(self) -> np.ndarray:
        """As in `Naming`."""
        return self.others.strangers

    def names(self, images: np.ndarray) -> Naming:
        """Whom it names for images uint8 [q,C,H,W]."""
        found = self._scores(images)
        return Naming(self.subject_of_row[found.nearest], found.score, self.strangers)

    def runners_up(self, images: np.ndarray, subject: np.ndarray) -> np.ndarray:
        """The best score float32 [q] of images uint8 [q,C,H,W] with anybody but `subject` int64 [q]."""
        return self._scores(images, self.subjects[subject]).score

    def _scores(self, images: np.ndarray, own: np.ndarray | None = None) -> Scores:
        return score_in_blocks(self, images, own, enrolled=len(self.subject_of_row))


@dataclass(frozen=True)
class _Asked:
    """A matcher with its gallery, before it is known how strangers score there."""

    matcher: Matcher[Any]
    gallery: Any


def enrol(fitted: NamedMatcher, images: np.ndarray, subjects: np.ndarray, strangers: SubjectImages) -> Enrolled:
    """A gallery of images uint8 [g,C,H,W] of `subjects` str [g], and how `strangers`, one image each, score in it."""
    names, codes = np.unique(subjects, return_inverse=True)
    gallery = fitted.matcher.enrol(np.ascontiguousarray(images), subjects)
    rows = pick_strangers(strangers.subjects)
    asked = _Asked(fitted.matcher, gallery)
    found = score_in_blocks(asked, np.ascontiguousarray(strangers.images[rows]), enrolled=len(images))
    known = np.sort(found.score[np.isfinite(found.score)])[::-1]
    others = frozen(Naming(codes[found.nearest], found.score, known))
    return Enrolled(fitted.name, fitted.matcher, gallery, codes.astype(np.int64), names, others)
