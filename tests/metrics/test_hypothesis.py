"""Permutation and Holm against enumeration of every case."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from unpersonal.metrics.hypothesis import holm, permutation_p, permuted_within


def holm_by_closed_testing(p: np.ndarray) -> list[float]:
    """Adjusted p of i = largest Bonferroni p-value over all subsets that contain i (closure principle)."""
    m = len(p)
    subsets = [s for size in range(1, m + 1) for s in combinations(range(m), size)]
    return [max(min(1.0, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in range(m)]


def test_holm_is_the_closure_of_bonferroni() -> None:
    rng = np.random.default_rng(0)
    for m in range(1, 7):
        for _ in range(20):
            p = np.round(rng.uniform(size=m) ** 3, 3)
            assert holm(p) == pytest.approx(holm_by_closed_testing(p))


def test_holm_keeps_the_shape_and_accepts_nothing() -> None:
    assert holm(np.array([[0.01, 0.5]])).shape == (1, 2)
    assert holm([]).size == 0
    with pytest.raises(ValueError):
        holm([0.1, np.nan])


def test_permutations_are_uniform_over_all_assignments() -> None:
    members = np.array([True, True, False, False, True, False, False])
    strata = np.array([5, 5, 5, 5, 9, 9, 9])
    drawn = permuted_within(members, strata, 36_000, np.random.default_rng(1))
    expected = {
        tuple(i in first for i in range(4)) + tuple(i == second for i in range(3))
        for first, second in product(combinations(range(4), 2), range(3))
    }
    patterns, counts = np.unique(drawn, axis=0, return_counts=True)
    assert {tuple(bool(x) for x in row) for row in patterns} == expected
    # 18 equally likely assignments, 2,000 each; five standard deviations are 217.
    assert abs(counts - 2000).max() < 217


def test_permutations_keep_every_stratum() -> None:
    rng = np.random.default_rng(2)
    members, strata = rng.random(200) < 0.4, rng.integers(0, 7, 200)
    drawn = permuted_within(members, strata, 50, rng)
    assert drawn.shape == (50, 200)
    assert drawn.dtype == bool
    for stratum in range(7):
        inside = strata == stratum
        assert (drawn[:, inside].sum(axis=1) == members[inside].sum()).all()
    assert (drawn != members).any()


def test_a_stratum_of_one_group_stays() -> None:
    members, strata = np.array([True, True, False]), np.array([0, 0, 1])
    assert (permuted_within(members, strata, 10, np.random.default_rng(0)) == members).all()


def test_p_value_approaches_the_exhaustive_one() -> None:
    values = np.array([2.0, 1.5, 0.3, 0.9, -0.4, 0.1, 1.1])
    members = np.array([True, True, False, True, False, False, False])
    strata = np.zeros(7, dtype=int)

    def gap(m: np.ndarray) -> float:
        return float(values[m].mean() - values[~m].mean())

    every = [gap(np.isin(np.arange(7), chosen)) for chosen in combinations(range(7), 3)]
    exact = np.mean([value >= gap(members) - 1e-12 for value in every])
    drawn = permuted_within(members, strata, 5000, np.random.default_rng(4))
    assert permutation_p(gap(members), [gap(row) for row in drawn]) == pytest.approx(exact, abs=0.015)


def test_p_value_counts_itself_and_ties() -> None:
    assert permutation_p(1.0, [0.0, 0.5, 1.0, 2.0]) == pytest.approx(3 / 5)
    assert permutation_p(3.0, np.zeros(999)) == pytest.approx(1 / 1000)
    assert permutation_p(0.3, [0.1 + 0.2, 0.3 - 1e-16]) == 1.0
    with pytest.raises(ValueError):
        permutation_p(0.0, [np.nan])


def test_p_values_of_a_true_null_are_not_too_small() -> None:
    rng = np.random.default_rng(6)
    p_values = []
    for _ in range(300):
        strata = rng.integers(0, 3, 40)
        members = rng.random(40) < 0.5
        values = rng.normal(size=40) + strata
        drawn = permuted_within(members, strata, 99, rng)
        p_values.append(permutation_p(values[members].sum(), drawn @ values))
    # P(p <= 0.1) = 0.1 exactly under the null; 0.15 is three standard deviations above.
    assert np.mean(np.array(p_values) <= 0.1) < 0.152
