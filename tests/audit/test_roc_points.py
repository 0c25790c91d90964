"""The ROC curve that is told equals the figures of the verdict, and no point of it is about fewer than five people."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.attack import SubjectScores
from unpersonal.audit.bounds import rate_at, tpr_estimate, z_of
from unpersonal.audit.family import Results
from unpersonal.audit.profiles import MEMBERSHIP
from unpersonal.audit.roc_points import LEVELS, roc_of
from unpersonal.audit.rows import PrimaryRow
from unpersonal.metrics.roc import roc_curve


def scored(people: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of so many train people and as many others, and who trained."""
    rng = np.random.default_rng(people)
    train = np.arange(2 * people) < people
    return rng.normal(size=2 * people) + shift * train, train


def row(attack: str) -> PrimaryRow:
    return PrimaryRow(MEMBERSHIP, attack, 0.6, 0.5, 0.7, 0.55, "undecided", None)


@pytest.mark.parametrize("name", ["a", "a_reversed"])
def test_the_curve_is_that_of_the_strongest_attack(name: str) -> None:
    scores, train = scored(600, 0.7)
    given = Results((SubjectScores(-scores if name.endswith("reversed") else scores),), ("a",), 1)
    found = roc_of([row(name)], given, train, 0.95)
    assert found is not None and found.attack == name
    assert [point.fpr for point in found.points] == list(LEVELS)
    fpr, tpr, _ = roc_curve(scores, train)
    for point in found.points:
        assert point.tpr == pytest.approx(np.interp(point.fpr, fpr, tpr), abs=2 / 600)
        assert 0 <= point.tpr_lower < point.tpr == rate_at(scores, train, point.fpr) < point.tpr_upper <= 1
    assert found.points[0].tpr_upper == tpr_estimate(scores, train).upper(z_of(0.95))


@pytest.mark.parametrize("people", [8, 30, 120])
def test_no_point_is_about_fewer_than_five_people(people: int) -> None:
    scores, train = scored(people, 0.5)
    found = roc_of([row("a")], Results((SubjectScores(scores),), ("a",), 1), train, 0.95)
    assert (found is None) is (people == 8)
    assert found is None or len(found.points) < len(LEVELS)
    for point in found.points if found else ():
        for share in (point.fpr, point.tpr):
            assert 5 <= round(share * people, 6) <= people - 5


def test_bounds_hold_at_every_level() -> None:
    covered, trials, level = 0, 300, 0.3
    rng = np.random.default_rng(0)
    train = np.arange(200) < 100
    for _ in range(trials):
        estimate = tpr_estimate(rng.normal(size=200), train, level)
        covered += estimate.upper(z_of(0.95)) >= level
    assert covered >= 0.92 * trials


def test_without_scores_there_is_no_curve() -> None:
    scores, train = scored(50, 0.0)
    assert roc_of([], Results((SubjectScores(scores),), ("a",), 1), train, 0.95) is None
    assert roc_of([row("a")], Results((), (), 0), train, 0.95) is None
