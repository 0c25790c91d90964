"""Bounds of the primary figures: against brute force, scikit-learn, closed forms and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score, roc_curve

from unpersonal.audit.bounds import (
    Estimate,
    auroc_estimate,
    needed_subjects,
    needed_trials,
    rate_at,
    rates_at,
    tpr_estimate,
    z_of,
)
from unpersonal.metrics.intervals import clopper_pearson_upper


def game(
    seed: int, shift: float = 0.0, ties: bool = False, sides: tuple[int, int] = (300, 260)
) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=sum(sides))
    train = np.arange(len(scores)) < sides[0]
    scores[train] += shift
    return (np.round(scores) if ties else scores), train


@pytest.mark.parametrize("ties", [False, True])
def test_auroc_and_its_variance(ties: bool) -> None:
    scores, train = game(0, 0.4, ties)
    found = auroc_estimate(scores, train)
    assert found.value == pytest.approx(roc_auc_score(train, scores))
    # DeLong by its definition: every pair looked at
    pairs = (scores[train][:, None] > scores[~train]) + 0.5 * (scores[train][:, None] == scores[~train])
    variance = pairs.mean(1).var(ddof=1) / train.sum() + pairs.mean(0).var(ddof=1) / (~train).sum()
    assert found.rest == pytest.approx(variance)


def read_off(scores: np.ndarray, train: np.ndarray, level: float) -> float:
    """The rate by its definition: every threshold tried, a straight line from the last point within the level."""
    points = [(0, 0)]
    for threshold in np.unique(scores)[::-1]:
        above = scores >= threshold
        points.append((int((above & ~train).sum()), int((above & train).sum())))
    wanted = level * int((~train).sum())
    last = max(number for number, (outside, _) in enumerate(points) if outside <= wanted)
    (low, found), (high, more) = points[last], points[min(last + 1, len(points) - 1)]
    return (found + (wanted - low) / max(high - low, 1) * (more - found)) / int(train.sum())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("level", [0.0, 0.01, 0.3, 1.0])
def test_rows_that_reach_a_level_at_different_places_are_all_read_far_enough(level: float, ties: bool) -> None:
    """A row that ranks its people first meets the level after them, another at once: the curve is read in pieces."""
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 90, 700).astype(float) if ties else rng.normal(size=700)
    order = np.argsort(-scores, kind="stable")
    members = np.zeros((5, 700), dtype=bool)
    for row, first in zip(members, (0, 70, 150, 300, 400), strict=True):
        row[order[first : first + 300]] = True
    members[4] = rng.permutation(members[4])
    assert rates_at(scores, members, level) == pytest.approx([read_off(scores, row, level) for row in members])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("level", [0.01, 0.05, 0.3])
def test_true_positive_rate_is_read_off_the_roc_curve(level: float, ties: bool) -> None:
    scores, train = game(1, 0.7, ties)
    fpr, tpr, _ = roc_curve(train, scores, drop_intermediate=False)
    # where the curve rises straight up the top of the step is meant
    top = {x: max(tpr[fpr == x]) for x in np.unique(fpr)}
    before = max(x for x in top if x <= level)
    after = min((x for x in top if x > level), default=before)
    start = min(tpr[fpr == after]) if after > before else top[before]
    slanted = (level - before) / max(after - before, 1e-12) * (start - top[before])
    assert rate_at(scores, train, level) == pytest.approx(top[before] + slanted)
    members = np.stack([np.random.default_rng(seed).permutation(train) for seed in range(20)])
    each = [rate_at(scores, inside, level) for inside in members]
    assert rates_at(scores, members, level) == pytest.approx(each)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_bounds_cover_at_their_rate(shift: float) -> None:
    """Truth by the normal distributions; each bound may miss at most as often as chance allows at 97.5 %."""
    from scipy.stats import norm

    truth = norm.cdf(shift / np.sqrt(2)), norm.sf(norm.isf(0.01) - shift)
    missed = np.zeros((2, 2), dtype=int)
    runs = 400
    for seed in range(runs):
        given = game(100 + seed, shift)
        for figure, estimate in enumerate((auroc_estimate(*given), tpr_estimate(*given))):
            missed[figure, 0] += estimate.upper(z_of(0.975)) < truth[figure]
            missed[figure, 1] += estimate.lower(z_of(0.975)) > truth[figure]
    assert (missed[0] <= binom.ppf(0.999, runs, 0.025)).all(), missed
    # an upper bound must not be too low; a lower bound of a small rate may err a little more
    assert missed[1, 0] <= binom.ppf(0.999, runs, 0.025) and missed[1, 1] <= binom.ppf(0.999, runs, 0.06), missed


def test_complete_separation_is_bounded_by_one_and_not_without_doubt() -> None:
    scores, train = np.arange(40.0)[::-1], np.arange(40) < 20
    found = auroc_estimate(scores, train)
    assert found.value == 1.0 == found.upper(2.0) and 0.9 < found.lower(2.0) < 1.0
    rate = tpr_estimate(scores, train)
    assert rate.value == 1.0 == rate.upper(2.0) and rate.lower(2.0) < 1.0


def test_what_would_decide_does_decide_and_one_less_does_not() -> None:
    z = z_of(0.975)
    for estimate in (Estimate(0.51, 0.03**2), Estimate(0.012, 4e-5, 100)):
        margin = estimate.value + 0.02
        people = needed_subjects(estimate, margin, z, 100)
        assert people is not None and people > 150
        assert (
            estimate.enlarged(1.01 * people / 100).upper(z) <= margin < estimate.enlarged(0.98 * people / 100).upper(z)
        )
        assert needed_subjects(estimate, estimate.value, z, 400) is None
    fewest = needed_trials(0.0, 0.05, 0.975)
    assert fewest == 72 and clopper_pearson_upper(0, 72, 0.975) <= 0.05 < clopper_pearson_upper(0, 71, 0.975)
    assert needed_trials(0.05, 0.05, 0.975) is None


@pytest.mark.parametrize("sides", [(100, 100), (450, 450)])
@pytest.mark.parametrize(("inside", "outside"), [(0.02, 0.0), (0.1, 0.0), (0.105, 0.005), (0.2, 0.0)])
def test_the_auroc_of_a_few_who_stand_out_is_not_bounded_too_low(
    inside: float, outside: float, sides: tuple[int, int]
) -> None:
    """Hits of a matcher: nearly all subjects have the same score. DeLong alone misses 6 to 13 % of 100 a side."""
    truth, runs = 0.5 + (inside - outside) / 2.0, 600
    rng, train = np.random.default_rng(7), np.arange(sum(sides)) < sides[0]
    hit = rng.random((runs, len(train))) < np.where(train, inside, outside)
    missed = sum(auroc_estimate(scores.astype(float), train).upper(z_of(0.98)) < truth for scores in hit)
    assert missed <= binom.ppf(0.999, runs, 0.02), missed
    smooth = auroc_estimate(rng.normal(size=len(train)), train)
    assert smooth.upper(z_of(0.98)) - (smooth.value + z_of(0.98) * smooth.rest**0.5) < 1.3 / sides[0]
