"""Guesses about canaries: a procedure that copies them is bounded from below, one that ignores them is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from unpersonal.audit.canaries import CONFIDENCE, bound_of, canary_scores
from unpersonal.audit.matchers import NamedMatcher
from unpersonal.matching.base import Scores

from .attacks.people import divide, stage


def test_scores_that_know_the_coins_bound_epsilon_as_the_closed_form_says() -> None:
    included = np.random.default_rng(0).random(200) < 0.5
    # as many on either side, so that every guess can be right
    included[:] = np.arange(200) % 2 == 0
    found = bound_of(included.astype(float), included)
    chance = ((1 - CONFIDENCE) / 4) ** (1 / 200)
    assert found.guesses == found.right == found.canaries == 200 and found.auroc == 1.0
    assert found.epsilon_lower <= math.log(chance / (1 - chance)) and found.epsilon_lower > 3.0


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_over_all_shares_together_the_bound_holds_as_often_as_promised(epsilon: float) -> None:
    """Randomised response of every coin, seen through a score that breaks ties at random."""
    rng, trials = np.random.default_rng(1), 300
    keep = math.exp(epsilon) / (1 + math.exp(epsilon))
    above = 0
    for _ in range(trials):
        included = rng.random(80) < 0.5
        told = np.where(rng.random(80) < keep, included, ~included)
        above += bound_of(told + rng.random(80) / 2, included).epsilon_lower > epsilon
    assert above <= binom.ppf(0.999, trials, 1 - CONFIDENCE)


def test_few_or_no_canaries_bound_nothing() -> None:
    for count in (0, 1, 2):
        found = bound_of(np.arange(count, dtype=float), np.arange(count) > 0)
        assert found.epsilon_lower == 0.0 and found.canaries == count


def test_a_release_of_canaries_is_told_from_one_of_strangers(
    phantoms: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    people = divide(phantoms, 120)
    canaries = people.control.images[:60]
    included = np.random.default_rng(2).random(60) < 0.5
    leaks, _ = stage(people, np.concatenate([people.fresh.images[:40], canaries[included]]))
    quiet, _ = stage(people, people.fresh.images[:60])
    for background in (leaks, quiet):
        background._matchers.clear()
        background._matchers.append(NamedMatcher("pixels", Pixels()))
    found = bound_of(canary_scores(canaries, leaks), included)
    assert found.auroc > 0.98 and found.epsilon_lower > 1.5
    # of strangers alone the coins are unknown
    assert bound_of(canary_scores(canaries, quiet), included).epsilon_lower < 0.5


class Pixels:
    """A matcher by the distance of pixels."""

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(float)

    def score(self, queries: np.ndarray, gallery: np.ndarray, own: np.ndarray | None = None) -> Scores:
        far = np.linalg.norm(self.enrol(queries, np.empty(0))[:, None] - gallery[None], axis=2)
        score = -far.min(axis=1).astype(np.float32)
        # what it cannot tell is a guess at "out"
        return Scores(np.where(np.arange(len(score)) == 0, np.nan, score), far.argmin(axis=1))
