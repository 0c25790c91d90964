"""Membership read from points: how much more of the release lies at a person than of other people.

Every score learns on released points and on reference points, of auxiliary people, and is then asked about points that
it has not seen. Legend: m released, n reference and q asked points in a space of k dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import logsumexp

from .attack import SubjectScores
from .background import PRIMARY, Background
from .distances import distances
from .membership import NEIGHBOURS
from .membership_people import Combination
from .spaces import Space
from .target import Target

WIDTH = 0.2
"""Width of a kernel as a share of the mean distance to the nearest strangers."""
CHUNK = 1024
"""Points asked about at once: memory is bounded by as many rows of distances."""


class PointScore(Protocol):
    """A score of points, float64 [q] of float32 [q, k]: high = more of the release there than of other people."""

    def __call__(self, points: np.ndarray) -> np.ndarray: ...


FitScore = Callable[[np.ndarray, np.ndarray, int], PointScore]
"""Fits a score on released points [m, k] and reference points [n, k], with a seed."""


@dataclass(frozen=True)
class FittedPoints:
    """A score of points in a space, and how those of a person's images become one."""

    space: Space
    score: PointScore
    combination: Combination

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        """Scores of all subjects."""
        embedded = target.embedded(self.space)
        return (SubjectScores(self.combination.people(self.score(embedded.points), embedded.starts)),)


def fit_points(background: Background, fit: FitScore, seed: int = 0) -> FittedPoints:
    """A score fitted on the release and the `network` people; certifying people say how images are combined."""
    space = background.space(PRIMARY)
    score = fit(space.embed(background.released), background.reference(PRIMARY).points, seed)
    strangers = background.certifying(PRIMARY)
    return FittedPoints(space, score, Combination.of(score(strangers.points), strangers.starts))


def in_chunks(points: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Parts of points [q, k], each with the rows it is."""
    for start in range(0, len(points), CHUNK):
        yield slice(start, start + CHUNK), points[start : start + CHUNK]


def usual_distance(points: np.ndarray, reference: np.ndarray, *, themselves: bool = False) -> np.ndarray:
    """Mean distance of points [q, k] to their `NEIGHBOURS` nearest reference points [n, k], float64 [q].

    `themselves` says that the points are the reference, whose own places do not count.
    """
    count = min(NEIGHBOURS, len(reference) - themselves)
    found = np.empty(len(points))
    for rows, part in in_chunks(points):
        away = np.partition(distances(part, reference), count + themselves - 1, axis=1)[:, : count + themselves]
        found[rows] = np.maximum(np.sort(away, axis=1)[:, int(themselves) :].mean(axis=1), 1e-6)
    return found


def log_kernels(points: np.ndarray, centres: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Logarithm of the sum of Gaussian kernels around centres [n, k] at points [q, k], float64 [q].

    The width [q] is that of the point (balloon estimator: Terrell & Scott, Annals of Statistics 1992). Constant factors
    are left out: two estimates with the same widths have the same.
    """
    found = np.empty(len(points))
    for rows, part in in_chunks(points):
        scaled = distances(part, centres).astype(np.float64) / widths[rows, None]
        found[rows] = logsumexp(-0.5 * scaled**2, axis=1)
    return found
