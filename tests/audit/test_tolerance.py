"""Limits that innocent values do not exceed, where many more are looked at than are known."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.tolerance import FEWEST_KNOWN, tolerance_limit

PROBABILITY = 0.05 / 4000


def test_too_few_values_carry_no_limit() -> None:
    values = np.random.default_rng(0).exponential(size=FEWEST_KNOWN)
    assert tolerance_limit(values, PROBABILITY) is not None
    assert tolerance_limit(values[1:], PROBABILITY) is None
    assert tolerance_limit(np.append(values[1:], [np.nan, np.inf]), PROBABILITY) is None


@pytest.mark.parametrize("known", [40, 100, 700])
def test_exponential_values_exceed_the_limit_as_seldom_as_is_said(known: int) -> None:
    """Over repetitions the truth, exp(-limit), is above the probability in about a twentieth of them."""
    rng = np.random.default_rng(known)
    limits = [tolerance_limit(rng.exponential(size=known), PROBABILITY) for _ in range(400)]
    exceeding = np.exp([-limit.limit for limit in limits if limit])
    assert len(exceeding) == 400
    assert (exceeding > PROBABILITY).mean() <= 0.1
    assert np.median(exceeding) > PROBABILITY / 1e4, "and not absurdly seldom"


def test_heavier_tails_are_seen_and_thinner_ones_taken_for_exponential() -> None:
    rng = np.random.default_rng(1)
    heavy = tolerance_limit(rng.pareto(2.0, 1000), PROBABILITY)
    thin = tolerance_limit(rng.uniform(size=1000), PROBABILITY)
    assert heavy is not None and heavy.shape > 0 and heavy.limit > 30
    assert thin is not None and thin.shape == 0 and thin.limit > 1


def test_equal_values_have_their_value_as_limit() -> None:
    limit = tolerance_limit(np.full(100, 2.5), PROBABILITY)
    assert limit is not None and limit.limit == 2.5 and limit.scale == 0
