"""Families of predicates without a fitted tail: how they compare, what they are thresholded at, and what they hit.

A family compares every released image with every person (`Comparison`: one predicate for each image), or says to which
released image a person's image points most (`Pointing`). Either way small values are hits, and one threshold for all
predicates is certified by `pooled`. Legend: p predicates, n images, S subjects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from .attack import Predicates
from .background import Background
from .distances import EmbeddedSubjects, Hits, group, sorted_hits, subject_minima
from .images import SubjectImages
from .pooled import Pairs, Threshold, fit_threshold
from .target import Target
from .weights import ROWS, nearest_count


class Comparison(Protocol):
    """How p predicates and people's images are compared."""

    def __len__(self) -> int:
        """Number of predicates p."""

    def people(self, given: SubjectImages) -> np.ndarray:
        """What is compared of every image, [n, ...]."""

    def compare(self, predicates: slice, people: np.ndarray) -> np.ndarray:
        """Values float32 [p', n], never negative, `inf` where a predicate cannot hit; small = alike."""


class Pointing(Protocol):
    """To which of p predicates an image points, if to any."""

    def __len__(self) -> int:
        """Number of predicates p."""

    def point(self, given: SubjectImages) -> tuple[np.ndarray, np.ndarray]:
        """The predicate int64 [n] of every image and its value float64 [n], never negative; small = surely."""


@dataclass(frozen=True)
class ComparedHits:
    """Whom a comparison hits below a threshold in units of `scale` float64 [p]."""

    comparison: Comparison
    scale: np.ndarray

    def __call__(self, given: SubjectImages, threshold: float) -> Hits:
        """Hits among the subjects of `given`, in the order of their names."""
        embedded = group(self.comparison.people(given), given.subjects)
        return _below(self.comparison, embedded, threshold * self.scale)


@dataclass(frozen=True)
class PointedHits:
    """Whom a pointing family hits below a threshold."""

    pointing: Pointing

    def __call__(self, given: SubjectImages, threshold: float) -> Hits:
        """Hits among the subjects of `given`, in the order of their names."""
        found = _pointed(self.pointing, given)
        below = found.value < threshold
        return sorted_hits(found.predicate[below], found.subject[below], len(self.pointing))


@dataclass(frozen=True)
class CertifiedFamily:
    """Predicates with their thresholds: `hit` gives those of `given` people at a threshold.

    `confidence` float64 [p] is what the attacker would bet on first.
    """

    hit: Callable[[SubjectImages, float], Hits]
    threshold: Threshold
    confidence: np.ndarray
    name: str = ""

    def run(self, target: Target) -> Predicates:
        """Whom of train and control the predicates hit."""
        given = SubjectImages(target.images, target.subjects, target.labels)
        hits = self.hit(given, self.threshold.value)
        return Predicates(hits, self.confidence, self.threshold.weight, self.name)


@dataclass(frozen=True)
class CertifiedFamilies:
    """A fitted attack that gives one or several families of predicates of one weight."""

    families: tuple[CertifiedFamily, ...]
    weight: float

    def run(self, target: Target) -> tuple[Predicates, ...]:
        """See `FittedAttack.run`; without families an attacker who has no predicates isolates nobody."""
        nobody = np.empty(0, np.int64)
        none = Predicates(Hits(nobody, nobody, 0), np.empty(0), self.weight)
        return tuple(family.run(target) for family in self.families) or (none,)


def certify_comparison(
    comparison: Comparison, background: Background, weight: float, name: str = ""
) -> CertifiedFamily:
    """Threshold of a comparison with all released images, in their order.

    Values are first measured by those of the k nearest certifying subjects of each predicate. Predicates that hit many
    other released pictures come first in confidence, and among equals those whom strangers are farthest from.
    """
    config, certify = background.config, background.certify
    people = group(comparison.people(certify), certify.subjects)
    scale, pairs = _near_pairs(comparison, people, nearest_count(config.neighbours, len(people)))
    threshold = fit_threshold(pairs, weight, config.weight_confidence)

    hit = ComparedHits(comparison, scale)
    repeats = hit(as_people(background), threshold.value)
    confidence = betting_order(np.bincount(repeats.predicate, minlength=len(scale)), scale)
    return CertifiedFamily(hit, threshold, confidence, name)


def _near_pairs(comparison: Comparison, people: EmbeddedSubjects, k: int) -> tuple[np.ndarray, Pairs]:
    """Distance of each predicate to its k-th nearest subject, float64 [p], and the pairs that are nearer, as shares."""
    scale, found = np.zeros(len(comparison)), []
    for start in range(0, len(comparison), ROWS):
        part = slice(start, start + ROWS)
        block = np.concatenate([b for _, b in subject_minima(partial(comparison.compare, part), people)], axis=1)
        nearest = np.partition(block, k - 1, axis=1)[:, k - 1].astype(np.float64)
        # with fewer than k whom it can hit at all, the farthest of these
        farthest = np.where(np.isfinite(block), block, 0.0).max(axis=1)
        scale[part] = np.where(np.isfinite(nearest), nearest, farthest)
        predicate, subject = np.nonzero(block < scale[part, None])
        found.append((predicate + start, subject, block[predicate, subject] / scale[part][predicate]))
    predicates, subjects, values = (np.concatenate(column) for column in zip(*found, strict=True))
    return scale, Pairs(predicates, subjects, values, len(comparison), len(people), limit=1.0)


def _below(comparison: Comparison, people: EmbeddedSubjects, limits: np.ndarray) -> Hits:
    """Who is below the limit [p] of which predicate."""
    predicates, subjects = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(comparison), ROWS):
        part = slice(start, start + ROWS)
        for first, block in subject_minima(partial(comparison.compare, part), people):
            predicate, subject = np.nonzero(block < limits[part, None])
            predicates.append(predicate + start)
            subjects.append(subject + first)
    return sorted_hits(np.concatenate(predicates), np.concatenate(subjects), len(comparison))


def certify_pointing(
    pointing: Pointing, background: Background, confidence: np.ndarray, weight: float, name: str = ""
) -> CertifiedFamily:
    """Threshold of a pointing family; `confidence` [p] as in `CertifiedFamily`."""
    pairs = _pointed(pointing, background.certify)
    nearest = np.sort(pairs.value)[: max(nearest_count(0.5, pairs.subjects), 1)]
    limit = float(nearest[-1]) if len(nearest) else 0.0
    near = pairs.value < limit
    certified = Pairs(
        pairs.predicate[near], pairs.subject[near], pairs.value[near], pairs.predicates, pairs.subjects, limit
    )

    return CertifiedFamily(
        PointedHits(pointing), fit_threshold(certified, weight, background.config.weight_confidence), confidence, name
    )


def _pointed(pointing: Pointing, given: SubjectImages) -> Pairs:
    """Every pair of a subject and a predicate to which one of its images points, with the least of their values."""
    names, codes = np.unique(np.asarray(given.subjects).astype(str), return_inverse=True)
    predicate, value = pointing.point(given)
    order = np.lexsort((value, predicate, codes))
    order = order[np.isfinite(value[order])]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(codes[order]) != 0) | (np.diff(predicate[order]) != 0)
    kept = order[first]
    return Pairs(predicate[kept], codes[kept], value[kept].astype(np.float64), len(pointing), len(names), limit=np.inf)


def betting_order(repeats: np.ndarray, loneliness: np.ndarray) -> np.ndarray:
    """Confidence float64 [p]: `repeats` [p], and among equals the rank of `loneliness` [p].

    Released images that repeat each other point at somebody whom the generator has learnt by heart; one that lies where
    hardly anybody is points at few.
    """
    rank = np.empty(len(loneliness))
    rank[np.argsort(loneliness, kind="stable")] = np.arange(len(loneliness))
    order: np.ndarray = repeats + rank / max(len(rank), 1)
    return order


def as_people(background: Background) -> SubjectImages:
    """Released images as if each picture were somebody."""
    names = np.array([f"{number:09d}" for number in background.picture_of])
    return SubjectImages(np.array(background.released), names, background.released_labels)
