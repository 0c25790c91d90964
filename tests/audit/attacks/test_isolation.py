"""Families of predicates: on copies they isolate their people, on a release of fresh people hardly anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unpersonal.audit import AuditConfig, SubjectImages
from unpersonal.audit.attack import Predicates
from unpersonal.audit.background import Background
from unpersonal.audit.images import label_sets
from unpersonal.audit.registry import ATTACKS
from unpersonal.audit.target import Target, make_target
from unpersonal.core.config import part_config
from unpersonal.matching.kinds import PICTURE_KINDS
from unpersonal.metrics.intervals import clopper_pearson_lower
from unpersonal.phantom import draw_subjects, render

from .people import People, divide

CONFIG = AuditConfig(permutations=999, network_steps=120)
SIDE, RELEASED = 110, 60
FAMILIES = [name for name in ATTACKS.own_names() if name.startswith("isolation")]
SEES = {
    "isolation": "noise",
    "isolation-clusters": "noise",
    "isolation-gradient": "exposure",
    "isolation-labels": "noise",
    "isolation-learned": "rotation",
    "isolation-margin": "noise",
    "isolation-matching": "average",
    "isolation-poses": "mirror",
    "isolation-tiles": "half",
}
"""A kind of copies that each family is for."""
LEAST = {"isolation-matching": 0.3, "isolation-tiles": 0.3, "isolation-learned": 0.3}
"""Share of copied people that it isolates on these small phantoms, where it is not 0.6."""


@pytest.fixture(scope="module")
def people(phantoms: tuple[np.ndarray, np.ndarray, np.ndarray]) -> People:
    return divide(phantoms, SIDE)


@pytest.fixture(scope="module")
def target(people: People) -> Target:
    return make_target(people.train, people.control, CONFIG, 1)


@pytest.fixture(scope="module")
def auditor(people: People) -> Background:
    background = Background(people.fresh.images[:1], people.network, people.certify, SIDE, CONFIG, seed=1)
    background.matchers()
    return background


def run(name: str, auditor: Background, target: Target, released: np.ndarray, labels: Any) -> tuple[Predicates, ...]:
    given = replace(auditor, released=released, released_labels=label_sets(labels, len(released)), _balls={})
    fitted = ATTACKS.get(name).fit(given, part_config(ATTACKS, name, CONFIG, {}))
    found = fitted.run(replace(target, _hits={}))
    assert all(isinstance(each, Predicates) for each in found)
    return tuple(found)


def first_images(given: Any, count: int) -> tuple[np.ndarray, list[str]]:
    rows = np.unique(given.subjects, return_index=True)[1][:count]
    return given.images[rows], [given.labels[row] for row in rows]


def copied(people: People, kind: str) -> tuple[np.ndarray, list[str]]:
    images, labels = first_images(people.train, RELEASED)
    named = next(each for each in PICTURE_KINDS if each.name == kind)
    return named.copies(images, people.fresh.images, named.strengths[0], np.random.default_rng(0)), labels


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEES))
def test_copies_are_isolated(name: str, people: People, auditor: Background, target: Target) -> None:
    released, labels = copied(people, SEES[name])
    own = np.unique(people.train.subjects)[:RELEASED]
    numbers = np.searchsorted(np.unique(target.subjects), own)
    shares = []
    for found in run(name, auditor, target, released, labels):
        hit = found.hits.subject == numbers[found.hits.predicate]
        shares.append(len(np.unique(found.hits.predicate[hit])) / RELEASED)
        assert len(found.confidence) == found.hits.predicates
    assert max(shares) >= LEAST.get(name, 0.6), shares


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_fresh_people_isolate_hardly_anybody(name: str, people: People, auditor: Background, target: Target) -> None:
    for found in run(name, auditor, target, *first_images(people.fresh, RELEASED)):
        allowed = found.weight * RELEASED
        hit = len(np.unique(found.hits.subject))
        assert clopper_pearson_lower(hit, 2 * SIDE, 0.999) <= allowed


@pytest.mark.slow
def test_mean_weights_hold_on_fresh_draws(people: People, auditor: Background) -> None:
    """The population without end: 2,000 people drawn for nothing but this; `benchmarks/audit_weights.py` draws more."""
    drawn = draw_subjects(2000, seed=77, stream="fresh")
    visits = np.stack([np.arange(2000), np.zeros(2000, np.int64)], axis=1)
    images, names = render(drawn, visits, 32), np.array(drawn.ids)
    sides = [SubjectImages(images[s], names[s], list(drawn.labels[s])) for s in (slice(1000), slice(1000, None))]
    fresh = make_target(sides[0], sides[1], CONFIG, 1)
    released, labels = first_images(people.fresh, RELEASED)
    for name in FAMILIES:
        for found in run(name, auditor, fresh, released, labels):
            hit = len(np.unique(found.hits.subject))
            assert clopper_pearson_lower(hit, 2000, 0.999) <= found.weight * RELEASED, (name, found.name, hit)


@pytest.mark.slow
def test_what_repeats_is_bet_on_first(people: People, auditor: Background, target: Target) -> None:
    """Six slightly different images of one person among fresh people: largest cluster, and first bets."""
    images, labels = first_images(people.fresh, RELEASED)
    one = np.repeat(people.train.images[:1], 6, axis=0)
    rng = np.random.default_rng(1)
    images[:6] = np.clip(one + rng.normal(0, 4, one.shape), 0, 255).astype(np.uint8)
    whose = np.searchsorted(np.unique(target.subjects), people.train.subjects[0])
    (cluster,) = run("isolation-clusters", auditor, target, images, labels)
    surest = int(np.argmax(cluster.confidence))
    assert 4 <= cluster.confidence[surest] < 8 and len(cluster.confidence) <= RELEASED - 3
    assert cluster.hits.subject[cluster.hits.predicate == surest].tolist() == [whose]
    balls = run("isolation", auditor, target, images, labels)[0]
    assert (np.argsort(-balls.confidence)[:4] < 6).all()


def test_labels_must_match(people: People, auditor: Background, target: Target) -> None:
    images, labels = first_images(people.train, RELEASED)
    (right,) = run("isolation-labels", auditor, target, images, labels)
    (wrong,) = run("isolation-labels", auditor, target, images, [f"not {label}" for label in labels])
    assert len(np.unique(right.hits.predicate)) > 0.8 * RELEASED and len(wrong.hits.predicate) == 0


def test_a_predicate_of_one_person_does_not_depend_on_others(
    people: People, auditor: Background, target: Target
) -> None:
    """Whom a predicate holds can be told from that person's images alone."""
    released, labels = first_images(people.train, RELEASED)
    given = replace(auditor, released=released, released_labels=label_sets(labels, RELEASED), _balls={})
    names = np.unique(target.subjects)
    half = make_target(
        people.train.only(np.flatnonzero(np.isin(people.train.subjects, names))),
        people.control.only(np.flatnonzero(np.isin(people.control.subjects, np.unique(people.control.subjects)[:50]))),
        CONFIG,
        1,
    )
    kept = np.unique(half.subjects)
    for name in ("isolation-margin", "isolation-tiles", "isolation-poses"):
        fitted = ATTACKS.get(name).fit(given, part_config(ATTACKS, name, CONFIG, {}))
        for whole, part in zip(fitted.run(target), fitted.run(half), strict=True):
            theirs = {(p, names[s]) for p, s in zip(whole.hits.predicate, whole.hits.subject, strict=True)}
            assert {(p, n) for p, n in theirs if n in kept} == {
                (p, kept[s]) for p, s in zip(part.hits.predicate, part.hits.subject, strict=True)
            }
