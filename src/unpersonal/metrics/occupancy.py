"""How much a count of distinct hits varies when queries come from people and cells are not equally likely.

n queries of c people (subjects) hit cells; k cells are hit. If s cells were equally likely and the queries independent,
k would have the variance of occupied cells. Two things add to it: cells of unequal probability, and people whose
queries hit together.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

SPLITS = 200
"""Random halves of the people by which their part is measured."""


def equal_cells_variance(queries: float, cells: float) -> float:
    """Variance of the number of occupied ones of `cells` equally likely cells (Feller 1968, section IV.2)."""
    empty = (1.0 - 1.0 / cells) ** queries
    both = max(1.0 - 2.0 / cells, 0.0) ** queries
    return cells * empty * (1.0 - empty) + cells * (cells - 1.0) * (both - empty * empty)


def unequal_cells_variance(hits: np.ndarray) -> float:
    """Estimated variance of the number of distinct values among independent `hits` int64 [n], of any probabilities.

    With a Poisson number of queries the variance is E K(2n) - E K(n) exactly; the alternating sum of Good & Toulmin
    (Biometrika 1956, eq. 23) estimates it without bias. What the random number adds, E[cells hit once]^2 / n, is taken
    off.
    """
    often = np.unique(hits, return_counts=True)[1]
    once = int((often == 1).sum())
    return float(np.where(often % 2 == 1, 1.0, -1.0).sum()) - once * once / len(hits)


def halves_effect(hits: np.ndarray, subjects: np.ndarray, rng: np.random.Generator) -> float | None:
    """Variance of the number of distinct values among half the `hits` int64 [n], over that of equally likely cells.

    Measured by the differences between random halves of the people, `subjects` int64 [n]. None where no half has two
    queries alike, or all are.
    """
    people = int(subjects.max()) + 1
    differences, counts = [], []
    for _ in range(SPLITS):
        first = np.zeros(people, dtype=bool)
        first[rng.permutation(people)[: people // 2]] = True
        inside = first[subjects]
        found = [len(np.unique(hits[half])) for half in (inside, ~inside)]
        differences.append(found[0] - found[1])
        counts.append(sum(found) / 2)
    cells = expected_cells(len(hits) / 2, float(np.mean(counts)))
    equal = equal_cells_variance(len(hits) / 2, cells) if np.isfinite(cells) else 0.0
    return float(np.mean(np.square(differences))) / 2.0 / equal if equal > 1e-9 else None


def expected_cells(queries: float, occupied: float) -> float:
    """The number of equally likely cells of which so many are occupied on average; infinite where all differ."""
    from scipy.optimize import brentq

    if occupied >= queries - 1e-9:
        return math.inf
    if occupied <= 1.0:
        return 1.0

    def surplus(log_cells: float) -> float:
        cells = math.exp(log_cells)
        return -cells * math.expm1(queries * math.log1p(-1.0 / cells)) - occupied

    return math.exp(brentq(surplus, math.log(occupied + 1e-12), math.log(queries * queries * 1e6)))


def design_effect(hits: np.ndarray, subjects: ArrayLike | None, cells: int, rng: np.random.Generator) -> float:
    """Variance of the number of distinct `hits` [n] over that of `cells` equally likely ones; >= 1 (Kish 1965).

    `subjects` [n] says whose query each is; without, each is somebody's own. The part of unequal cells is that of one
    query of each person; the part of people is what all their queries add to it, in halves.
    """
    if subjects is None:
        return _unequal_effect(hits, cells)
    _, person = np.unique(np.asarray(subjects).astype(str), return_inverse=True)
    order = rng.permutation(len(hits))
    one = hits[order[np.unique(person[order], return_index=True)[1]]]
    if len(one) == len(hits):
        return _unequal_effect(hits, cells)
    alone = expected_cells(len(one), len(np.unique(one)))
    effect = _unequal_effect(one, alone) if math.isfinite(alone) else 1.0
    all_of_them, one_each = halves_effect(hits, person, rng), halves_effect(one, np.arange(len(one)), rng)
    if all_of_them is None:
        return effect
    return effect * max(all_of_them / max(one_each or 1.0, 1.0), 1.0)


def _unequal_effect(hits: np.ndarray, cells: float) -> float:
    equal = equal_cells_variance(len(hits), cells)
    return max(unequal_cells_variance(hits) / equal, 1.0) if equal > 1e-9 else 1.0


def ratio_interval(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float]:
    """Interval of the ratio of two positive figures, each (value, lower, upper), independent of each other.

    Their intervals are joined on the logarithmic scale (MOVER; Zou & Donner, Statistics in Medicine 2008, eq. 5).
    """
    (a, a_low, a_high), (b, b_low, b_high) = (tuple(map(math.log, figure)) for figure in (first, second))
    return (
        math.exp(a - b - math.hypot(a - a_low, b_high - b)),
        math.exp(a - b + math.hypot(a_high - a, b - b_low)),
    )
