"""The threshold as an order statistic, by brute force and simulation; the rates by direct counting."""

import numpy as np
import pytest
from scipy import stats

from unpersonal.judges.calibration import (
    CopyScores,
    Threshold,
    choose_threshold,
    pick_threshold,
    rates_at,
    shortfall,
    spend_false_flags,
)
from unpersonal.judges.config import JudgesConfig


def brute_rank(count, target, confidence):
    """Largest rank whose bound on r - 1 misses keeps the target, by root finding on the binomial distribution."""

    def upper(misses):
        grid = np.linspace(0, 1, 20001)
        return grid[stats.binom.cdf(misses, count, grid) >= 1 - confidence].max()

    kept = [rank for rank in range(1, count + 1) if upper(rank - 1) <= target]
    return max(kept, default=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "target"), [(20, 0.01), (298, 0.01), (299, 0.01), (377, 0.01), (500, 0.02), (100, 0.1)]
)
def test_rank_is_the_largest_that_keeps_the_target(count, target):
    scores = np.random.default_rng(count).normal(size=count).astype(np.float32)
    threshold = pick_threshold(scores, target)
    assert threshold.rank == brute_rank(count, target, 0.95)
    assert threshold.value == np.sort(scores)[threshold.rank - 1]
    assert threshold.missed == (scores < np.float32(threshold.value)).sum() == threshold.rank - 1
    assert bool(threshold.shortfall) == (threshold.miss_rate_upper > target)


def test_299_subjects_bound_one_percent_and_298_do_not():
    assert pick_threshold(np.arange(299.0), 0.01).shortfall == ""
    short = pick_threshold(np.arange(298.0), 0.01)
    assert short.rank == 1 and short.miss_rate == 0 and "299" in short.shortfall


@pytest.mark.slow
def test_the_bound_covers_the_true_miss_rate_in_simulation():
    """Coverage of the tolerance limit is at least 95 %, and not much more (it is exact for continuous scores)."""
    rng, target, count = np.random.default_rng(0), 0.1, 60
    true_rates = []
    for _ in range(4000):
        threshold = pick_threshold(rng.exponential(size=count), target)
        true_rates.append(1 - np.exp(-threshold.value))
    assert threshold.rank == brute_rank(count, target, 0.95) > 1
    covered = np.mean(np.array(true_rates) <= threshold.miss_rate_upper)
    assert 0.94 < covered < 0.965
    assert np.mean(np.array(true_rates) <= target) > 0.94


def test_ties_at_the_threshold_are_flagged():
    scores = np.array([1.0] * 30 + [2.0] * 70)
    threshold = pick_threshold(scores, 0.1)
    assert threshold.value == 1.0 and threshold.missed == 0


def test_scores_that_are_no_numbers_are_refused():
    for scores in (np.array([]), np.array([1.0, np.nan]), np.array([1.0, -np.inf])):
        with pytest.raises(ValueError, match="finite"):
            pick_threshold(scores, 0.01)


def test_shortfall_names_both():
    assert shortfall("", 0.2, 0.2) == ""
    assert "budget" in shortfall("", 0.3, 0.2) and "bounded" in shortfall("bounded", 0.3, 0.2)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5])
def test_spending_false_flags_only_ever_lowers_the_threshold(share):
    rng = np.random.default_rng(0)
    worst = rng.normal(5, 1, 300)
    for shift in (-3.0, 2.0, 6.0):
        strangers = rng.normal(shift, 1, 300).astype(np.float32)
        before = pick_threshold(worst, 0.01)
        after = spend_false_flags(before, strangers, worst, share)
        flagged = (strangers >= np.float32(after.value)).mean()
        assert after.value <= before.value and after.missed <= before.missed
        assert after.miss_rate_upper == before.miss_rate_upper
        if after.value < before.value:
            assert flagged == pytest.approx(np.floor(share * 300) / 300)
        else:
            assert flagged >= share or share == 0


def test_scores_that_are_not_finite_leave_the_calibrated_threshold():
    before = pick_threshold(np.arange(300.0), 0.01)
    assert spend_false_flags(before, np.array([np.nan, 1.0] * 50), np.arange(300.0), 0.1) == before


def test_rates_are_counted_over_subjects():
    copies = np.array([[3, 3, 1, 3], [3, 0, 3, 3]], dtype=np.float32)
    scores = CopyScores(copies, np.array([2.0, 1.0, 5.0, 0.0], dtype=np.float32))
    threshold = Threshold(2.0, 3, 4, 2, 0.5, 0.9, "")
    figures = rates_at(scores, threshold, ("crop", "noise"), 0.95)
    assert figures.miss_rate_of == {"crop": 0.25, "noise": 0.25}
    assert figures.false_flag_rate == 0.5
    assert figures.false_flag_rate_lower < 0.5 < figures.false_flag_rate_upper


def test_strangers_that_cannot_be_scored_count_as_flagged():
    scores = CopyScores(np.ones((1, 4), np.float32), np.array([np.nan, np.inf, 0.0, 2.0], dtype=np.float32))
    assert rates_at(scores, Threshold(1.0, 1, 4, 0, 0.0, 0.5, ""), ("crop",), 0.95).false_flag_rate == 0.75


def test_the_threshold_is_the_order_statistic_lowered_by_what_false_flags_may_cost():
    rng = np.random.default_rng(0)
    scores = CopyScores(rng.normal(5, 1, (6, 400)).astype(np.float32), rng.normal(1, 1, 400).astype(np.float32))
    config = JudgesConfig(miss_target=0.05, false_flag_spend=0.05)
    expected = spend_false_flags(
        pick_threshold(scores.copies.min(0), 0.05), scores.strangers, scores.copies.min(0), 0.05
    )
    assert choose_threshold(scores, config) == expected
