"""The one-run bound on epsilon, against closed forms and randomised response, of which epsilon is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from unpersonal.audit.one_run import epsilon_lower, p_value

CONFIDENCE = 0.95


@pytest.mark.parametrize(("epsilon", "right", "guesses"), [(0.0, 8, 10), (1.0, 60, 80), (2.5, 99, 100), (4.0, 1, 3)])
def test_without_delta_it_is_the_tail_of_a_binomial(epsilon: float, right: int, guesses: int) -> None:
    chance = math.exp(epsilon) / (1 + math.exp(epsilon))
    expected = binom.sf(right - 1, guesses, chance)
    assert p_value(right, guesses, 100, epsilon, 0.0) == pytest.approx(expected, rel=1e-9)


def test_delta_adds_the_steepest_rise_of_the_tail() -> None:
    right, guesses, canaries, epsilon, delta = 14, 16, 50, 0.7, 1e-3
    chance = math.exp(epsilon) / (1 + math.exp(epsilon))

    def tail(v: int) -> float:
        return sum(math.comb(guesses, k) * chance**k * (1 - chance) ** (guesses - k) for k in range(v, guesses + 1))

    rise = max((tail(right - i) - tail(right)) / i for i in range(1, right + 1))
    expected = tail(right) + 2 * canaries * delta * rise
    assert p_value(right, guesses, canaries, epsilon, delta) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("guesses", [5, 20, 300])
def test_where_every_guess_is_right_the_bound_is_a_root(guesses: int) -> None:
    chance = 0.05 ** (1 / guesses)
    expected = math.log(chance / (1 - chance))
    assert epsilon_lower(guesses, guesses, guesses, delta=0.0, confidence=CONFIDENCE) == pytest.approx(
        max(expected, 0.0), abs=1e-6
    )


def test_nothing_is_bounded_by_chance() -> None:
    assert epsilon_lower(50, 100, 100, delta=0.0, confidence=CONFIDENCE) == 0.0
    assert epsilon_lower(0, 0, 10, delta=0.0, confidence=CONFIDENCE) == 0.0


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("canaries", [30, 300])
def test_randomised_response_stays_above_the_bound_as_often_as_promised(epsilon: float, canaries: int) -> None:
    rng, trials = np.random.default_rng(int(10 * epsilon) + canaries), 1000
    right = rng.binomial(canaries, math.exp(epsilon) / (1 + math.exp(epsilon)), trials)
    bound = {v: epsilon_lower(int(v), canaries, canaries, delta=0.0, confidence=CONFIDENCE) for v in np.unique(right)}
    covered = sum(bound[v] <= epsilon for v in right)
    assert covered >= binom.ppf(0.001, trials, CONFIDENCE)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0, 4.0])
def test_with_many_canaries_the_bound_is_tight(epsilon: float) -> None:
    rng, canaries = np.random.default_rng(3), 20_000
    right = int(rng.binomial(canaries, math.exp(epsilon) / (1 + math.exp(epsilon))))
    found = epsilon_lower(right, canaries, canaries, delta=0.0, confidence=CONFIDENCE)
    assert 0.85 * epsilon <= found <= epsilon + 0.05
    assert epsilon_lower(right, canaries, canaries, delta=1e-5, confidence=CONFIDENCE) <= found
