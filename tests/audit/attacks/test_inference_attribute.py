"""The other half of a person read off the release."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.attacks.inference_attribute import ATTACK, SIDE, as_grey, known_and_unknown
from unpersonal.audit.perturbations import perturbed_copies
from unpersonal.core.config import Config

from .people import People, divide, stage

SHIFT = 0.04


@pytest.fixture(scope="module")
def people(phantoms: tuple[np.ndarray, np.ndarray, np.ndarray]) -> People:
    return divide(phantoms, 120)


def rates(people: People, released: np.ndarray) -> tuple[float, float]:
    background, target = stage(people, released)
    (found,) = ATTACK.fit(background, Config()).run(target)
    assert found.right.shape == (240,) and found.right.min() >= 0 and found.right.max() <= 1
    return float(found.right[target.train].mean()), float(found.right[~target.train].mean())


def test_of_copies_the_other_half_is_known(people: People) -> None:
    train, control = rates(people, people.train.images)
    assert train == 1.0 and 0.45 < control < 0.65


@pytest.mark.parametrize("mirrored", [False, True])
def test_of_perturbed_and_mirrored_copies_it_is_known_far_better_than_of_control(
    people: People, mirrored: bool
) -> None:
    copies, _ = perturbed_copies(people.train.images, np.random.default_rng(0))
    train, control = rates(people, np.ascontiguousarray(copies[:, :, :, ::-1]) if mirrored else copies)
    assert train > control + 0.2


def test_of_strangers_nothing_is_known_that_is_not_known_of_control(people: People) -> None:
    train, control = rates(people, people.fresh.images)
    assert abs(train - control) < SHIFT


def test_a_release_of_known_halves_alone_tells_nothing_of_the_other(people: People) -> None:
    """The unknown half is a stranger's: whoever is found by the upper half learns the stranger's lower one."""
    chimera = people.train.images.copy()
    strangers = np.resize(people.fresh.images, chimera.shape)
    chimera[:, :, 16:] = strangers[:, :, 16:]
    train, control = rates(people, chimera)
    assert abs(train - control) < SHIFT + 0.04


def test_only_the_known_half_sets_the_measure() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 64, 64), dtype=np.uint8)
    images[1, :, :32] = images[0, :, :32]
    known, tiles = known_and_unknown(as_grey(images), 0)
    assert known.shape == (2, SIDE * SIDE // 2) and tiles.shape == (2, 8)
    assert np.array_equal(known[0], known[1]) and not np.array_equal(tiles[0], tiles[1])
    assert not np.array_equal(*known_and_unknown(as_grey(images), 2)[0])
