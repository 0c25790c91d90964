"""The division of the false flags: never above the budget, and spent where copies are missed."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from unpersonal.judges.thresholds import LEAST_LABELLED, Evidence, divide, threshold_at


def union(strangers: np.ndarray, level: np.ndarray) -> np.ndarray:
    return (strangers >= level[:, None].astype(np.float32)).any(axis=0)


def loss(evidence: list[Evidence], level: np.ndarray) -> float:
    return sum(kind.weight * (1 - union(kind.scores, level).mean()) ** 0.5 for kind in evidence)


def drawn(seed: int, matchers: int = 3, strangers: int = 200) -> tuple[np.ndarray, list[Evidence]]:
    """Each kind of copies is seen by one matcher alone, some better than others."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(matchers, strangers)).astype(np.float32)
    kinds = []
    for kind in range(4):
        copies = rng.normal(size=(matchers, 60)).astype(np.float32)
        copies[kind % matchers] += 2.0 + 0.5 * kind
        kinds.append(Evidence(copies))
    return scores, kinds


@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_a_threshold_is_reached_by_as_many_strangers_as_it_says(count):
    scores = np.random.default_rng(0).normal(size=10).astype(np.float32)
    assert (scores >= np.float32(threshold_at(scores, count))).sum() == count


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.0, 0.05, 0.15, 1.0])
def test_all_matchers_together_stay_within_the_budget_and_use_it(seed, share):
    strangers, kinds = drawn(seed)
    flagged = union(strangers, divide(strangers, kinds, share)).mean()
    assert share - 0.01 <= flagged <= share


@pytest.mark.parametrize("seed", range(3))
def test_no_even_division_and_nearly_no_other_on_a_grid_misses_less(seed):
    strangers, kinds = drawn(seed)
    found = loss(kinds, divide(strangers, kinds, 0.15))
    losses = []
    for counts in product(range(0, 31, 2), repeat=3):
        level = np.array([threshold_at(scores, count) for scores, count in zip(strangers, counts, strict=True)])
        if union(strangers, level).mean() <= 0.15:
            losses.append(loss(kinds, level))
            if len(set(counts)) == 1:
                assert found <= losses[-1] + 1e-9
    assert found <= 1.1 * min(losses)


def test_the_budget_goes_to_the_matcher_that_sees_the_copies_and_the_rest_is_shared():
    rng = np.random.default_rng(1)
    strangers = rng.normal(size=(2, 1000)).astype(np.float32)
    blind = np.stack([np.full(50, -9.0), rng.normal(1.6, 0.2, 50)]).astype(np.float32)
    rates = (strangers >= divide(strangers, [Evidence(blind)], 0.1)[:, None].astype(np.float32)).mean(axis=1)
    assert rates[1] > 3 * rates[0]
    seen = np.full((2, 50), 9.0, np.float32)
    rates = (strangers >= divide(strangers, [Evidence(seen)], 0.1)[:, None].astype(np.float32)).mean(axis=1)
    assert abs(rates[0] - rates[1]) <= 0.006 and rates.min() > 0.04


def test_a_label_with_enough_strangers_has_the_same_budget():
    rng = np.random.default_rng(2)
    strangers = rng.normal(size=(2, 400)).astype(np.float32)
    alike = np.arange(400) < 100
    strangers[:, alike] += 1.5
    few = np.arange(400) < LEAST_LABELLED - 1
    kinds = [Evidence(rng.normal(1.5, 1, (2, 50)).astype(np.float32))]
    plain, fair = divide(strangers, kinds, 0.1), divide(strangers, kinds, 0.1, np.stack([alike, ~alike]))
    assert union(strangers, plain)[alike].mean() > 0.1 >= union(strangers, fair)[alike].mean() > 0.05
    np.testing.assert_array_equal(divide(strangers, kinds, 0.1, few[None]), plain)


def test_a_promised_kind_weighs_more():
    rng = np.random.default_rng(3)
    strangers = rng.normal(size=(2, 1000)).astype(np.float32)
    one, two = np.full((2, 100), -9.0, np.float32), np.full((2, 100), -9.0, np.float32)
    one[0], two[1] = rng.normal(1.5, 0.7, 100), rng.normal(1.5, 0.7, 100)

    def rates(first: float, second: float) -> np.ndarray:
        level = divide(strangers, [Evidence(one, first), Evidence(two, second)], 0.08)[:, None]
        return (strangers >= level.astype(np.float32)).mean(axis=1)

    assert rates(4.0, 0.25)[0] > rates(1.0, 1.0)[0] > rates(0.25, 4.0)[0]


def test_scores_that_are_no_numbers_or_nobodys_are_refused():
    strangers, kinds = drawn(0)
    for broken in (np.nan, np.inf):
        spoilt = strangers.copy()
        spoilt[0, 0] = broken
        with pytest.raises(ValueError, match="finite"):
            divide(spoilt, kinds, 0.1)
        with pytest.raises(ValueError, match="finite"):
            divide(strangers, [Evidence(np.full((3, 2), broken, np.float32))], 0.1)
    with pytest.raises(ValueError, match="finite"):
        divide(strangers[:, :0], kinds, 0.1)
