"""Intervals against sums over the binomial distribution, and the coverage of the subject bootstrap."""

from __future__ import annotations

from math import comb, exp, lgamma, log

import numpy as np
import pytest

from unpersonal.metrics.intervals import (
    beta_bounds,
    clopper_pearson,
    clopper_pearson_lower,
    clopper_pearson_upper,
    percentile_interval,
    poisson_interval,
    subject_bootstrap,
    wilson,
)


def at_most(successes: int, trials: int, rate: float) -> float:
    return sum(comb(trials, i) * rate**i * (1 - rate) ** (trials - i) for i in range(successes + 1))


@pytest.mark.slow
@pytest.mark.parametrize("trials", [1, 2, 7, 30, 101])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_bounds_solve_the_binomial_equations(trials: int, confidence: float) -> None:
    for successes in range(trials + 1):
        upper = clopper_pearson_upper(successes, trials, confidence)
        lower = clopper_pearson_lower(successes, trials, confidence)
        if successes < trials:
            assert at_most(successes, trials, upper) == pytest.approx(1 - confidence, rel=1e-6)
        else:
            assert upper == 1.0
        if successes:
            assert 1 - at_most(successes - 1, trials, lower) == pytest.approx(1 - confidence, rel=1e-6)
        else:
            assert lower == 0.0
        both = clopper_pearson(successes, trials, confidence)
        assert both[0] <= lower <= successes / trials <= upper <= both[1]


@pytest.mark.parametrize("trials", [1, 7, 450, 20_000])
@pytest.mark.parametrize("confidence", [0.8, 0.975, 0.9999])
def test_bounds_equal_the_closed_form(trials: int, confidence: float) -> None:
    """Quantiles of beta distributions, which hold for fractional successes as well."""
    for successes in {0, 1, trials // 3, trials - 1, trials}:
        lower, upper = beta_bounds(successes, trials, confidence)
        assert clopper_pearson_lower(successes, trials, confidence) == pytest.approx(lower, rel=0, abs=1e-12)
        assert clopper_pearson_upper(successes, trials, confidence) == pytest.approx(upper, rel=0, abs=1e-12)
    between = beta_bounds(0.5, trials, confidence)
    assert beta_bounds(0, trials, confidence)[1] < between[1] < beta_bounds(1, trials, confidence)[1]


@pytest.mark.parametrize("count", [0, 1, 4, 60])
def test_poisson_interval_solves_the_poisson_equations(count: int) -> None:
    def at_most_events(mean: float, events: int) -> float:
        return sum(exp(i * log(mean) - mean - lgamma(i + 1)) for i in range(events + 1))

    lower, upper = poisson_interval(count)
    assert at_most_events(upper, count) == pytest.approx(0.025, rel=1e-9)
    assert lower == 0.0 if count == 0 else at_most_events(lower, count - 1) == pytest.approx(0.975, rel=1e-9)


def test_two_sided_interval_leaves_half_on_either_side() -> None:
    assert clopper_pearson(3, 10, 0.9) == (clopper_pearson_lower(3, 10, 0.95), clopper_pearson_upper(3, 10, 0.95))


def test_no_success_has_the_closed_form() -> None:
    assert clopper_pearson_upper(0, 299) == pytest.approx(1 - 0.05 ** (1 / 299))


def test_exact_interval_covers_at_every_rate() -> None:
    trials = 25
    intervals = [clopper_pearson(successes, trials, 0.9) for successes in range(trials + 1)]
    for rate in np.linspace(0.01, 0.99, 99):
        mass = [comb(trials, i) * rate**i * (1 - rate) ** (trials - i) for i in range(trials + 1)]
        covered = sum(p for p, (low, high) in zip(mass, intervals, strict=True) if low <= rate <= high)
        assert covered >= 0.9


def test_without_trials_nothing_is_known() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert wilson(0, 0) == (0.0, 1.0)


def test_wilson_ends_solve_the_score_equation() -> None:
    z = 1.959963984540054
    for successes, trials in [(0, 5), (3, 10), (40, 41), (7, 7)]:
        for end in wilson(successes, trials):
            gap = abs(successes / trials - end)
            assert gap == pytest.approx(z * np.sqrt(end * (1 - end) / trials), abs=1e-9)


@pytest.mark.parametrize("arguments", [(-1, 3), (4, 3), (1, 3, 0.0), (1, 3, 1.0)])
def test_impossible_counts_are_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError):
        clopper_pearson_upper(*arguments)


def test_bootstrap_hands_over_whole_subjects() -> None:
    subjects = np.array(["a", "b", "a", "c", "b", "a"])
    seen: list[np.ndarray] = []
    subject_bootstrap(subjects, lambda rows: seen.append(rows) or 0.0, replicates=200, rng=np.random.default_rng(0))
    sizes = {"a": 3, "b": 2, "c": 1}
    for rows in seen:
        names, counts = np.unique(subjects[rows], return_counts=True)
        drawn = [count // sizes[name] for name, count in zip(names, counts, strict=True)]
        assert sum(drawn) == 3
        for name, times in zip(names, drawn, strict=True):
            for row in np.flatnonzero(subjects == name):
                assert (rows == row).sum() == times
    assert {rows.size for rows in seen} >= {3, 6, 9}


def test_bootstrap_is_deterministic() -> None:
    subjects, values = np.arange(20) // 2, np.arange(20.0)
    first, second = (
        subject_bootstrap(subjects, lambda rows: values[rows].mean(), replicates=50, rng=np.random.default_rng(3))
        for _ in range(2)
    )
    assert np.array_equal(first, second)


@pytest.mark.slow
def test_bootstrap_covers_the_mean_of_correlated_rows() -> None:
    """Five nearly equal rows per subject: intervals over subjects cover, intervals over rows would not."""
    rng = np.random.default_rng(5)
    covered = naive = 0
    games = 200
    for _ in range(games):
        subjects = np.repeat(np.arange(40), 5)
        values = rng.normal(size=40)[subjects] + 0.1 * rng.normal(size=200)
        low, high = percentile_interval(
            subject_bootstrap(subjects, lambda rows, v=values: v[rows].mean(), replicates=200, rng=rng)
        )
        covered += low <= 0.0 <= high
        low, high = percentile_interval(
            subject_bootstrap(np.arange(200), lambda rows, v=values: v[rows].mean(), replicates=200, rng=rng)
        )
        naive += low <= 0.0 <= high
    assert 0.88 <= covered / games <= 0.99
    assert naive / games < 0.75


def test_percentiles_leave_nan_out() -> None:
    low, high = percentile_interval([np.nan, 0.0, 1.0], 0.5)
    assert (low, high) == (0.25, 0.75)
    assert all(np.isnan(percentile_interval([np.nan])))
