"""Every score of membership sees copies that it claims to see, and nothing where nothing is to be seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from unpersonal.audit.perturbations import perturbed_copies
from unpersonal.matching.kinds import kind
from unpersonal.metrics.roc import auroc

from .games import Games, one_each

POINTS = ("classifier", "density", "distance", "likelihood", "neighbourhood")
LEAST = {"mixture": 0.7, "stack": 0.75, "surrogate": 0.65}
"""Least AUROC with which a release of copies of 80 of 130 train subjects is seen; 0.7 where nothing else is said."""


@pytest.fixture(scope="module")
def games() -> Games:
    return Games.of_phantoms()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*POINTS, *LEAST])
def test_perturbed_copies_are_seen(games: Games, name: str) -> None:
    target = games.target(1)
    copies = perturbed_copies(one_each(target, 80), np.random.default_rng(2))[0]
    (found,) = games.scores(f"membership-by-{name}", copies, target)
    assert auroc(found.values, target.train) >= LEAST.get(name, 0.7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixture", "stack"])
def test_averages_of_two_people_are_seen(games: Games, name: str) -> None:
    target = games.target(1)
    copies = kind("average").copies(one_each(target, 80), games.fresh, 0.5, np.random.default_rng(3))
    (found,) = games.scores(f"membership-by-{name}", copies, target)
    assert auroc(found.values, target.train) >= 0.68


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [*((each, 30) for each in POINTS), ("mixture", 20), ("stack", 6)])
def test_fresh_people_are_seen_no_more_often_than_stated(games: Games, name: str, count: int) -> None:
    if name == "mixture":
        games.matchers[:] = [
            each for each in games.background(games.fresh[:1], 0).matchers() if each.name == "mixtures"
        ]
    found = np.array(list(games.null_p_values(f"membership-by-{name}", count, 40)))
    assert len(found) == count
    for level in (0.05, 0.2):
        assert (found <= level).sum() <= binom.ppf(0.999, count, level)
        assert (found >= 1 - level).sum() <= binom.ppf(0.999, count, level)


@pytest.mark.parametrize("name", POINTS)
def test_the_same_seed_gives_the_same_scores(games: Games, name: str) -> None:
    target = games.target(1)
    first, second = (games.scores(f"membership-by-{name}", games.fresh[:50], target)[0].values for _ in range(2))
    assert first.tobytes() == second.tobytes() and first.shape == (260,) and np.isfinite(first).all()
