"""The worst case: a few people who leak are seen though the average is not, and small groups decide nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from unpersonal.audit.attack import Predicates, SubjectScores
from unpersonal.audit.distances import sorted_hits
from unpersonal.audit.family import Family, Results
from unpersonal.audit.profiles import ISOLATED, MEMBERSHIP, PROFILES, TRUE_POSITIVES
from unpersonal.audit.strata import (
    OUTLIERS,
    auroc_bound,
    margins_of_strata,
    measure_strata,
    strata_findings,
    strata_of,
    strata_undecided,
)
from unpersonal.phantom import phantom_cohort

from .attacks.people import divide, stage

OPEN = PROFILES["open"]
SIDE = 400
WEIGHT = 1e-5


@pytest.fixture(scope="module")
def played() -> tuple[Any, Any]:
    """A background and a target of 400 people a side, of whom some have a rare label."""
    images, subjects, _ = phantom_cohort(1000, 4, 32)
    names, place = np.unique(np.asarray(subjects), return_inverse=True)
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(len(names)) < 0.04, "rare", "common")[place]
    people = divide((images, np.asarray(subjects), labels), SIDE)
    background, target = stage(people, people.fresh.images[:20], people.fresh.labels[:20])
    return background, replace(target, codes=target.codes[:1])


def family(scores: np.ndarray, isolated: np.ndarray) -> Family:
    """One attack of each sort: `scores` [N], and one predicate for each subject that is `isolated` (bool [N])."""
    who = np.flatnonzero(isolated)
    hits = sorted_hits(np.arange(len(who)), who, max(len(who), 1))
    nothing: Results[Any] = Results((), (), 0)
    return Family(
        scores=Results((SubjectScores(scores),), ("attack",), 1),
        predicates=Results((Predicates(hits, np.zeros(hits.predicates), WEIGHT),), ("balls",), 1),
        guesses=nothing,
        tests=(),
        shortfalls=(),
    )


def rows(played: tuple[Any, Any], scores: np.ndarray, isolated: np.ndarray) -> dict[str, Any]:
    found = measure_strata(*played, family(scores, isolated), OPEN, WEIGHT)
    return {row.name: row for row in found}


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=2 * SIDE)


def test_strata_do_not_depend_on_the_release(played: tuple[Any, Any]) -> None:
    background, target = played
    found = strata_of(background, target)
    other = strata_of(replace(background, released=255 - background.released), target)
    assert list(found) == list(other) == [OUTLIERS, "people with the label rare"]
    assert all(np.array_equal(found[name], other[name]) for name in found)
    assert found[OUTLIERS].sum() == pytest.approx(0.05 * 2 * SIDE, abs=1)
    # who trained is not asked
    swapped = replace(target, roles=replace(target.roles, role=1 - target.roles.role))
    assert np.array_equal(strata_of(background, swapped)[OUTLIERS], found[OUTLIERS])


def test_a_few_who_leak_make_the_worst_case_fail_where_the_average_passes(played: tuple[Any, Any]) -> None:
    background, target = played
    members = strata_of(background, target)[OUTLIERS]
    leaks = members & target.train
    scores = np.where(leaks, 9.0, noise(1))
    found = rows(played, scores, leaks)[OUTLIERS]
    outcomes = {figure.name: figure.outcome for figure in found.figures}
    assert outcomes == {MEMBERSHIP: "above", TRUE_POSITIVES: "above", ISOLATED: "above"}
    findings = strata_findings([found])
    assert len(findings) == 3 and OUTLIERS in findings[0] and "by attack" in findings[0]


def test_chance_fails_in_no_stratum(played: tuple[Any, Any]) -> None:
    failed = sum(
        bool(strata_findings(tuple(rows(played, noise(seed), noise(seed + 500) > 2.5).values()))) for seed in range(60)
    )
    assert failed <= binom.ppf(0.999, 60, 0.05)


def test_people_who_are_far_from_everybody_are_compared_with_control_people_who_are(played: tuple[Any, Any]) -> None:
    """An attack that hits all who stand out, trained on or not, is no leak."""
    members = strata_of(*played)[OUTLIERS]
    found = rows(played, np.where(members, 9.0, 0.0) + noise(2) / 9, members)[OUTLIERS]
    assert not strata_findings([found]) and found.figures[-1].control == 1.0


def test_too_few_people_are_undecided_and_say_how_many_would_do(played: tuple[Any, Any]) -> None:
    background, target = played
    only = np.flatnonzero(target.train)[:3]
    names = np.unique(target.subjects)
    labels = tuple(("odd",) if subject in names[only] else ("common",) for subject in target.subjects)
    found = measure_strata(background, replace(target, labels=labels), family(noise(3), noise(3) > 9), OPEN, WEIGHT)
    odd = next(row for row in found if "odd" in row.name)
    assert odd.train_people == odd.control_people == "<5" and odd.figures == () and odd.needed > 60
    sentence = next(text for text in strata_undecided(found) if "odd" in text)
    assert f"about {odd.needed} of either side" in sentence
    assert "odd" not in " ".join(strata_findings(found))


def test_the_number_that_would_decide_does(played: tuple[Any, Any]) -> None:
    needed = rows(played, noise(4), noise(4) > 9)[OUTLIERS].needed
    margin = margins_of_strata(OPEN)[MEMBERSHIP]
    assert auroc_bound(0.5, needed, needed, 0.975, 1) <= margin
    assert auroc_bound(0.5, needed // 2, needed // 2, 0.975, 1) > margin


def test_margins_are_twice_as_far_from_chance() -> None:
    assert margins_of_strata(OPEN) == pytest.approx({MEMBERSHIP: 0.6, TRUE_POSITIVES: 0.05, ISOLATED: 0.1})


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_bounds_of_an_auroc_cover_it_for_few_people(shift: float) -> None:
    from scipy.stats import norm

    from unpersonal.metrics.roc import auroc

    rng, truth, trials, missed = np.random.default_rng(5), norm.cdf(shift / np.sqrt(2)), 600, np.zeros(2)
    positives = np.arange(40) < 20
    for _ in range(trials):
        value = auroc(rng.normal(size=40) + shift * positives, positives)
        missed += [auroc_bound(value, 20, 20, 0.975, -1) > truth, auroc_bound(value, 20, 20, 0.975, 1) < truth]
    assert (missed <= binom.ppf(0.999, trials, 0.025)).all()
