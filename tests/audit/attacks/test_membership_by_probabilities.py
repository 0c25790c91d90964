"""Who trained is read off probabilities alone, where these are people's own; of strangers' nobody is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unpersonal.audit.attacks.membership_by_probabilities import ATTACK
from unpersonal.audit.background import PRIMARY
from unpersonal.audit.distances import distances
from unpersonal.audit.membership import auroc_with_null
from unpersonal.audit.target import Target
from unpersonal.core.config import Config
from unpersonal.metrics.hypothesis import permutation_p

from .people import People, divide, planted, softly, stage

SIDE = 80


@pytest.fixture(scope="module")
def people(phantoms: tuple[np.ndarray, np.ndarray, np.ndarray]) -> People:
    return divide(phantoms, SIDE)


def p_values(people: People, soft: object, labels: object = None) -> dict[str, float]:
    background, target = stage(people, people.fresh.images, labels, soft=soft)
    return _p_values(ATTACK.fit(background, Config()).run(target), target)


def _p_values(found: object, target: Target) -> dict[str, float]:
    return {
        scores.name: permutation_p(*auroc_with_null(scores.values, target.codes, target.train, target.roles.blocks))
        for scores in found  # type: ignore[attr-defined]
    }


def test_probabilities_of_train_people_on_images_of_strangers_tell_who_trained(people: People) -> None:
    # the images are of fresh people: whoever looks at them alone learns nothing
    assert p_values(people, planted(people))["right"] < 0.01


def test_probabilities_of_the_images_themselves_tell_nobody(people: People) -> None:
    found = p_values(people, softly(people.fresh.labels))
    assert set(found) == {"sure", "right"} and min(found.values()) > 0.02


def test_a_teacher_that_is_surer_near_those_it_saw_is_found_without_labels(people: People) -> None:
    space = stage(people, people.fresh.images)[0].space(PRIMARY)
    places = [space.embed(side.images) for side in (people.fresh, people.train, people.control)]
    near = [distances(places[0], side).min(axis=1) for side in places[1:]]
    surer = softly(people.fresh.labels, np.where(near[0] < near[1], 0.99, 0.4))
    background, target = stage(people, people.fresh.images, None, soft=surer)
    fitted = ATTACK.fit(background, Config())
    bare = replace(target, labels=None)
    found = _p_values(fitted.run(bare), bare)
    assert set(found) == {"sure"} and found["sure"] < 0.02
