"""Nearest rows against loops, and what is refused as features."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.metrics.neighbours import nearest, own_radius


def sets(seed: int, *sizes: int, d: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) + 0.2 * i for i, n in enumerate(sizes)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum()))


def test_nearest_is_the_lowest_row_among_ties() -> None:
    references = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    index, gap = nearest(np.array([[1.0, 0.0], [0.0, 0.0]]), references)
    assert index.tolist() == [1, 0]
    assert gap.tolist() == [0.0, 1.0]


def test_own_radius_leaves_the_row_itself_out() -> None:
    (x,) = sets(0, 12)
    for k in (1, 3, 11):
        expected = [
            sorted(distance(row, other) for j, other in enumerate(x) if j != i)[k - 1] for i, row in enumerate(x)
        ]
        assert own_radius(x, k) == pytest.approx(expected)
    with pytest.raises(ValueError):
        own_radius(x, 12)


def test_broken_features_are_refused() -> None:
    for bad in (np.array([[np.nan, 1.0]]), np.zeros((0, 3)), np.zeros(4)):
        with pytest.raises(ValueError):
            nearest(bad, np.zeros((2, 2)))
    with pytest.raises(ValueError):
        nearest(np.zeros((2, 3)), np.zeros((2, 2)))
