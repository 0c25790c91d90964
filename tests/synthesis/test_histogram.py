"""Planned label sets: exact sums, noise of the stated law, and no count that the cohort has."""

from __future__ import annotations

import numpy as np

from unpersonal.synthesis.histogram import allot, avoid, two_sided_geometric


def test_the_noise_has_the_stated_law():
    noise = two_sided_geometric(200_000, 2.0, np.random.default_rng(0))
    alpha = np.exp(-0.5)
    for value in range(-4, 5):
        assert abs((noise == value).mean() - (1 - alpha) / (1 + alpha) * alpha ** abs(value)) < 0.005


def test_shares_sum_and_are_nearest():
    rng = np.random.default_rng(1)
    for _ in range(200):
        weights, total = rng.random(rng.integers(1, 9)) + 1e-3, int(rng.integers(0, 500))
        counts = allot(total, weights)
        assert counts.sum() == total and np.abs(counts - total * weights / weights.sum()).max() < 1


def test_known_counts_are_left_by_a_little_and_the_sum_is_kept():
    rng = np.random.default_rng(2)
    for _ in range(500):
        size = int(rng.integers(1, 7))
        counts = rng.integers(0, 40, size)
        known = [frozenset(rng.integers(0, 40, 6).tolist()) | {int(count)} for count in counts]
        moved = avoid(counts, known)
        assert all(count == 0 or count not in values for count, values in zip(moved.tolist(), known))
        assert ((moved == 0) == (counts == 0)).all()
        assert np.abs(moved - counts).max() <= 7 * size
    large = avoid(np.array([1000, 12, 9]), [frozenset(), frozenset({12}), frozenset({9, 10})])
    assert large.sum() == 1021 and large[1] in (11, 13) and large[2] in (8, 11)
