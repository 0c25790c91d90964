"""Labels are read off probabilities alone, where these are people's own; of strangers' all are guessed alike."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.attacks.inference_probabilities import ATTACK
from unpersonal.core.config import Config

from .people import People, divide, means, planted, softly, stage

SIDE = 80


@pytest.fixture(scope="module")
def people(phantoms: tuple[np.ndarray, np.ndarray, np.ndarray]) -> People:
    return divide(phantoms, SIDE)


def guesses(people: People, soft: object) -> dict[str, tuple[float, float]]:
    background, target = stage(people, people.fresh.images, people.fresh.labels, soft=soft)
    return means(ATTACK.fit(background, Config()).run(target), target)


def test_labels_are_read_off_probabilities_of_train_people_on_images_of_strangers(people: People) -> None:
    found = guesses(people, planted(people))
    assert found["near"][0] > found["near"][1] + 0.15


def test_of_probabilities_of_the_images_themselves_train_and_control_are_guessed_alike(people: People) -> None:
    found = guesses(people, softly(people.fresh.labels))
    assert set(found) == {"near", "both", "half"}
    for train, control in found.values():
        # four standard errors of a difference of shares
        assert abs(train - control) < 4 * np.sqrt(2 * 0.25 / SIDE)


def test_labels_that_do_not_exclude_each_other_are_guessed_as_often_as_people_have_them(people: People) -> None:
    soft = softly(people.fresh.labels, exclusive=False)
    found = guesses(people, soft)
    assert found["near"][1] > 0.4 and found["both"][1] >= found["near"][1] - 0.1
