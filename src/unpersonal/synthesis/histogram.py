"""How many images of each label set are planned: shares that a person wants, told with noise.

Legend: G label sets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NOISE = 2.0
"""Scale of the noise in counts of label sets: X with P(X = k) proportional to exp(-|k| / scale)."""
SMALL = 100
"""A label set of fewer images or subjects is small: its counts could be those of few people."""


def two_sided_geometric(count: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Integer noise int64 [count] (Ghosh, Roughgarden & Sundararajan, STOC 2009), the difference of two geometrics."""
    success = -np.expm1(-1.0 / scale)
    return np.asarray(rng.geometric(success, count) - rng.geometric(success, count), dtype=np.int64)


def allot(total: int, weights: np.ndarray) -> np.ndarray:
    """Whole numbers int64 [G] that sum to `total`, in proportion to `weights` >= 0 [G]: largest remainders."""
    exact = total * np.asarray(weights, dtype=np.float64) / np.sum(weights)
    counts = np.floor(exact).astype(np.int64)
    rest = int(total - counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return np.asarray(counts)


def avoid(counts: np.ndarray, known: Sequence[frozenset[int]]) -> np.ndarray:
    """`counts` int64 [G] without those that are `known` of their set, moved as little as can be, the sum kept.

    Zeros stay zero. Where nothing can be moved without hitting another known count the sum changes by a little.
    """
    moved, total = [int(count) for count in counts], int(np.sum(counts))
    used = [index for index, count in enumerate(moved) if count]
    for index in used:
        if moved[index] in known[index]:
            up = 1 if sum(moved) <= total else -1
            steps = (step for size in range(1, len(known[index]) + 2) for step in (up * size, -up * size))
            moved[index] += next(step for step in steps if _free(moved[index] + step, known[index]))
    while rest := total - sum(moved):
        step = 1 if rest > 0 else -1
        movable = [index for index in used if _free(moved[index] + step, known[index])]
        if not movable:
            break
        # one more or less is the least share of the largest set
        moved[max(movable, key=moved.__getitem__)] += step
    return np.array(moved, dtype=np.int64)


def _free(count: int, known: frozenset[int]) -> bool:
    return count > 0 and count not in known
