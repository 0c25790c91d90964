"""Labels read off the release: a leak is seen, and strangers are guessed as well on either side."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.attacks.inference_label import ATTACK, agreement, mean_by_subject, nearest_rows
from unpersonal.audit.perturbations import perturbed_copies
from unpersonal.core.config import Config

from .people import People, divide, means, see, stage

SIDE = 120


@pytest.fixture(scope="module")
def people(phantoms: tuple[np.ndarray, np.ndarray, np.ndarray]) -> People:
    return divide(phantoms, SIDE)


def test_labels_of_copies_are_read_off_the_release(people: People) -> None:
    copies, _ = perturbed_copies(people.train.images, np.random.default_rng(0))
    background, target = stage(people, copies, people.train.labels)
    found = means(ATTACK.fit(background, Config()).run(target), target)
    for name in ("nearest", "near"):
        train, control = found[name]
        assert train > 0.95 and train > control + 0.1
    # the matcher of this target sees nobody, so that only the classifier guesses
    assert found["matched"][0] < 0.95


def test_labels_of_whom_a_matcher_sees_are_read_off_the_release(people: People) -> None:
    # mirrored copies are near nobody: only a matcher sees who is in them
    background, target = stage(people, people.train.images[:, :, :, ::-1], people.train.labels)
    names = np.unique(target.subjects)
    fitted = ATTACK.fit(background, Config())
    found = means(fitted.run(see(target, np.searchsorted(names, people.train.subjects), 1.0)), target)
    assert found["matched"][0] > 0.9 > found["near"][0]
    assert found["matched"][1] == pytest.approx(means(fitted.run(target), target)["matched"][1])


def test_of_a_release_of_strangers_train_and_control_are_guessed_alike(people: People) -> None:
    background, target = stage(people, people.fresh.images, people.fresh.labels)
    for train, control in means(ATTACK.fit(background, Config()).run(target), target).values():
        # four standard errors of a difference of shares
        assert abs(train - control) < 4 * np.sqrt(2 * 0.25 / SIDE)


def test_wrong_labels_of_copies_tell_nothing(people: People) -> None:
    shuffled = np.random.default_rng(3).permutation(np.asarray(people.train.labels))
    background, target = stage(people, people.train.images, [str(label) for label in shuffled])
    train, control = means(ATTACK.fit(background, Config()).run(target), target)["nearest"]
    assert train < control + 0.2 and train < 0.7


def test_guesses_are_scored_by_how_far_the_sets_agree() -> None:
    truth = [frozenset({"a"}), frozenset({"a", "b"}), frozenset(), frozenset({"c"})]
    assert agreement([("a",), ("a",), (), ("a", "c", "d", "b")], truth).tolist() == [1.0, 0.5, 1.0, 0.25]
    assert mean_by_subject(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 1])).tolist() == [0.5, 1.0]


def test_the_nearest_row_is_that_of_all_distances() -> None:
    rng = np.random.default_rng(0)
    points, centres = rng.normal(size=(50, 4)), rng.normal(size=(9, 4))
    every = np.linalg.norm(points[:, None] - centres[None], axis=2)
    assert nearest_rows(points, centres).tolist() == every.argmin(axis=1).tolist()
