"""The test of scores against strangers: against enumeration and against draws."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from unpersonal.metrics.exceedances import (
    LARGEST_SHARE,
    LEVEL,
    POWER,
    RATE,
    SURE,
    Exceedances,
    false_alarm,
    least_count,
    least_surprising,
    plan,
    power,
)
from unpersonal.metrics.intervals import clopper_pearson_upper


@pytest.mark.parametrize(("count", "strangers", "rank"), [(3, 4, 1), (4, 3, 2), (5, 5, 3), (2, 1, 1)])
def test_the_false_alarm_is_that_of_all_orders(count: int, strangers: int, rank: int) -> None:
    """Every set of places that the strangers may take among all scores in order is as likely."""
    total = count + strangers
    above = []
    for places in combinations(range(total), strangers):
        limit = sorted(places)[-rank]
        above.append(sum(place > limit for place in set(range(total)) - set(places)))
    for least in range(count + 2):
        assert false_alarm(count, least, strangers, rank) == pytest.approx(np.mean(np.array(above) >= least))


def test_the_power_is_the_sum_of_the_binomial() -> None:
    for count, least, rate in ((128, 4, 0.05), (7, 7, 0.3), (5, 1, 0.01), (5, 6, 0.5), (5, 0, 0.1)):
        whole = sum(comb(count, k) * rate**k * (1 - rate) ** (count - k) for k in range(least, count + 1))
        assert power(count, least, rate) == pytest.approx(whole)


def test_the_least_that_surprises_is_the_first_below_the_level() -> None:
    for count, strangers, rank in ((128, 400, 3), (64, 50, 1), (128, 256, 2)):
        least = least_surprising(count, strangers, rank)
        assert false_alarm(count, least, strangers, rank) <= LEVEL < false_alarm(count, least - 1, strangers, rank)
    assert least_surprising(3, 2, 1) == 4, "no number of three would be too many against two strangers"


def test_with_enough_strangers_fewer_than_the_least_put_the_upper_bound_under_the_rate() -> None:
    found = plan(128, 400, 0.05, SURE)
    assert found.power >= 0.95 and clopper_pearson_upper(found.least - 1, 128) <= 0.05
    assert clopper_pearson_upper(found.least, 128) > 0.05 and false_alarm(128, found.least, 400, found.rank) <= LEVEL
    assert plan(128, 150, 0.05, SURE) == plan(128, 150, 0.05), "with fewer the power is what it can be"


def test_a_rate_of_a_twentieth_is_seen_with_few_hundred_strangers() -> None:
    found = plan(128, 400, 0.05)
    assert found == Exceedances(128, 400, 0.05, 3, 4, power(128, 4, 0.05)) and found.power > POWER
    assert plan(128, 200, 0.05).power > POWER, "a stricter limit where strangers are fewer"
    assert plan(128, 200, 0.05).rank < found.rank
    poor = plan(128, 50, 0.05)
    assert poor.power < POWER and poor.rank == 1 and poor.possible
    assert not plan(3, 2, 0.05).possible
    assert poor.sight == poor.power
    lax = plan(64, 28, 0.9)
    assert lax.power > POWER and lax.sight == power(64, lax.least, RATE) < 0.1
    with pytest.raises(ValueError, match="stranger"):
        plan(128, 0, 0.05)


def test_every_plan_keeps_its_level_and_its_share_of_strangers() -> None:
    for count, strangers, rate in ((32, 100, 0.05), (128, 1000, 0.05), (128, 400, 0.3), (600, 256, 0.0), (64, 40, 0.9)):
        found = plan(count, strangers, rate)
        assert false_alarm(count, found.least, strangers, found.rank) <= LEVEL
        assert found.rank == 1 or found.rank <= LARGEST_SHARE * strangers
    assert plan(128, 400, 0.3).least > plan(128, 400, 0.05).least, "who tolerates more is told later"


def test_the_fewest_scores() -> None:
    for strangers in (100, 256, 400):
        count = least_count(strangers, 0.05)
        assert (
            count is not None and plan(count, strangers, 0.05).power >= POWER > plan(count - 1, strangers, 0.05).power
        )
    assert least_count(400, 0.05) == 59 and least_count(100, 0.05) == 180
    assert least_count(50, 0.05) is None, "so few strangers cannot say what is rare"


@pytest.mark.parametrize(("count", "strangers"), [(128, 400), (64, 60)])
def test_alike_scores_alarm_as_seldom_as_the_level_says(count: int, strangers: int) -> None:
    found, rng, rounds = plan(count, strangers, 0.05), np.random.default_rng(0), 4000
    limits = np.sort(rng.standard_cauchy((rounds, strangers)), axis=1)[:, -found.rank]
    alarms = ((rng.standard_cauchy((rounds, count)) > limits[:, None]).sum(axis=1) >= found.least).mean()
    expected = false_alarm(count, found.least, strangers, found.rank)
    assert alarms == pytest.approx(expected, abs=4 * (expected / rounds) ** 0.5)
