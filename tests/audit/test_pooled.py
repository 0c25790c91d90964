"""One threshold for all predicates: counted where strangers are many enough, extrapolated with care where not."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.pooled import Pairs, fit_threshold, mean_weight_upper
from unpersonal.metrics.intervals import clopper_pearson_upper


def pairs(values: np.ndarray, limit: float = np.inf) -> Pairs:
    """All pairs below `limit` of values [p, S]."""
    predicate, subject = np.nonzero(values < limit)
    return Pairs(predicate, subject, values[predicate, subject], *values.shape, limit=limit)


def test_the_bound_counts_people_and_is_exact_where_each_is_hit_once() -> None:
    assert mean_weight_upper(0, 0, 1000, 0.95) == pytest.approx(clopper_pearson_upper(0, 1000, 0.95), rel=0.01)
    assert mean_weight_upper(7, 7, 5000, 0.95) == pytest.approx(clopper_pearson_upper(7, 5000, 0.95), rel=0.01)
    assert mean_weight_upper(60, 1, 5000, 0.95) > 3 * mean_weight_upper(60, 60, 5000, 0.95)


@pytest.mark.parametrize("people", [400, 40])
def test_the_weight_at_the_threshold_is_seldom_above_the_wanted_one(people: int) -> None:
    """Values are u^(1/5), so that t has the weight t^5, whether it was counted (400 people) or extrapolated (40)."""
    weights = []
    for seed in range(200):
        values = np.random.default_rng(seed).random((50, people)) ** (1 / 5)
        found = fit_threshold(pairs(values, 0.7), 1e-3, 0.95)
        assert found.resolvable == (people == 400)
        weights.append(found.value**5)
    assert np.mean(np.array(weights) > 1e-3) <= 0.09 and np.median(weights) >= 1e-4


def test_people_whom_all_predicates_hit_make_a_threshold_stricter() -> None:
    values = np.random.default_rng(0).random((50, 400))
    alone = fit_threshold(pairs(values), 1e-3, 0.95)
    values[:, 0] *= 1e-3
    assert fit_threshold(pairs(values), 1e-3, 0.95).value < alone.value / 3


def test_one_double_among_too_few_strangers_does_not_blind() -> None:
    values = 0.5 + np.random.default_rng(1).random((50, 40)) / 2
    plain = fit_threshold(pairs(values, 1.0), 1e-4, 0.95)
    values[0, 0] = 1e-6
    assert plain.value > 0 and fit_threshold(pairs(values, 1.0), 1e-4, 0.95).value > 0.8 * plain.value


def test_without_pairs_nothing_is_hit_unless_the_strangers_were_many() -> None:
    none = np.empty(0, np.int64)
    few = fit_threshold(Pairs(none, none, np.empty(0), 5, 20, limit=0.3), 1e-3, 0.95)
    many = fit_threshold(Pairs(none, none, np.empty(0), 500, 2000, limit=0.3), 1e-3, 0.95)
    assert (few.value, few.resolvable) == (0.0, False) and (many.value, many.resolvable) == (0.3, True)
