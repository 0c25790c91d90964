"""Membership by matching: releases made wholly of copies of a kind are seen, fresh people are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from unpersonal.audit.attacks.membership_by_matching import ATTACK, FittedMatching
from unpersonal.audit.background import Background
from unpersonal.audit.config import AuditConfig
from unpersonal.audit.images import SubjectImages
from unpersonal.audit.membership_rows import measure_membership, membership_figures
from unpersonal.audit.recall import strength_of
from unpersonal.audit.target import Target, make_target
from unpersonal.core.config import Config
from unpersonal.matching.kinds import PICTURE_KINDS, Kind
from unpersonal.metrics.roc import auroc
from unpersonal.phantom import phantom_cohort

CONFIG = AuditConfig(permutations=999, network_steps=60, kind_copies=1)
RELEASED = 80


@pytest.fixture(scope="module")
def played() -> tuple[Background, Target, np.ndarray]:
    """The auditor's people, 140 train and 120 control subjects, and 600 images of people in none of them."""
    images, names, _ = phantom_cohort(420, 11, 32)
    subjects = np.asarray(names)
    order = np.random.default_rng(0).permutation(np.unique(subjects))
    rows = [np.flatnonzero(np.isin(subjects, part)) for part in np.split(order, [140, 260, 340])]
    train, control, network, certify = (SubjectImages(images[chosen], subjects[chosen]) for chosen in rows)
    background = Background(images[:1], network, certify, 120, CONFIG, seed=1)
    fresh, _, _ = phantom_cohort(600, 12, 32, stream="fresh")
    return background, make_target(train, control, CONFIG, seed=1), fresh


def p_value(played: tuple[Background, Target, np.ndarray], released: np.ndarray, reversed_: bool = False) -> float:
    """The smallest max-T adjusted p-value of one sign."""
    background, target, _ = played
    held = replace(background, released=released)
    held.matchers()
    scores = FittedMatching(held).run(replace(target, _namings={}))
    measured = measure_membership(scores, [score.name for score in scores], target)
    rows = membership_figures(measured, len(measured), 0.975).rows
    return min(row.p for row in rows if row.name.endswith("_reversed") is reversed_)


def one_each(target: Target, train: bool) -> np.ndarray:
    _, first = np.unique(target.subjects, return_index=True)
    return np.array(target.images[first[target.train == train]][:RELEASED])


@pytest.mark.slow
@pytest.mark.parametrize("kind", PICTURE_KINDS, ids=lambda kind: kind.name)
def test_a_release_wholly_of_one_kind_of_copies_is_seen(
    played: tuple[Background, Target, np.ndarray], kind: Kind
) -> None:
    copies = kind.copies(one_each(played[1], True), played[2], strength_of(kind), np.random.default_rng(3))
    background, target, _ = played
    scores = FittedMatching(replace(background, released=copies)).run(replace(target, _namings={}))
    found = [score.values for score in scores]
    assert p_value(played, copies) <= 0.025
    assert [score.name for score in scores] == ["poses", "parts", "mixtures", "learned"]
    # 80 of 140 are in the release, so that 0.57 + 0.43 / 2 is the most that can be expected
    assert max(auroc(values, target.train) for values in found) >= 0.7
    assert max(rate_at(values, target.train) for values in found) >= 0.2


def rate_at(values: np.ndarray, train: np.ndarray) -> float:
    """True-positive rate at 1 % false positives."""
    return float((values[train] > np.quantile(values[~train], 0.99)).mean())


@pytest.mark.slow
def test_copies_of_control_are_seen_by_the_reversed_twin(played: tuple[Background, Target, np.ndarray]) -> None:
    copies = np.ascontiguousarray(one_each(played[1], False)[..., ::-1])
    assert p_value(played, copies, reversed_=True) <= 0.025 < p_value(played, copies)


@pytest.mark.slow
def test_fresh_people_are_seen_no_more_often_than_stated(played: tuple[Background, Target, np.ndarray]) -> None:
    background, target, fresh = played
    releases = np.array_split(fresh[: 25 * 24], 25)
    found = np.array([p_value((background, dealt_anew(target, i), fresh), each) for i, each in enumerate(releases)])
    # one sign of two that are adjusted together
    for level in (0.05, 0.2):
        assert (found <= level).sum() <= binom.ppf(0.999, len(found), level)
    assert found.max() > 0.5


def dealt_anew(target: Target, seed: int) -> Target:
    """Other people trained: with the same ones, whom many images are like would be on one side in every release."""
    drawn = np.random.default_rng(seed).permutation(np.unique(target.subjects))[: int(target.train.sum())]
    inside = np.isin(target.subjects, drawn)
    train, control = (SubjectImages(target.images[rows], target.subjects[rows]) for rows in (inside, ~inside))
    return make_target(train, control, CONFIG, seed=seed)


def test_it_needs_nothing_and_has_nothing_to_configure() -> None:
    assert ATTACK.config is Config and ATTACK.needs.spaces == () and not ATTACK.needs.labels
