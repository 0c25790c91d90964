"""Noise in labels: what was flipped at a known rate is found, whatever the classifier gets wrong."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.metrics import label_noise as room
from unpersonal.metrics.label_noise import Judged, label_noise

CONFUSION = np.array([[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]])
CLASSES = ("a", "b", "c")


def called(truth, rng):
    return np.array([rng.choice(3, p=CONFUSION[row]) for row in truth])


def one_hot(rows):
    return np.eye(3, dtype=bool)[rows]


def cohort(rng, flipped, released=900, held_out=600):
    """Two images a person; a share `flipped` of the released labels is another one than the image shows."""
    truth, real = rng.integers(0, 3, released), rng.integers(0, 3, held_out)
    label = np.where(rng.random(released) < flipped, (truth + rng.integers(1, 3, released)) % 3, truth)
    sides = (label, truth), (real, real)
    return [Judged(one_hot(own), one_hot(called(seen, rng)), np.arange(len(own)) // 2) for own, seen in sides]


@pytest.mark.parametrize("flipped", [0.0, 0.2])
def test_flipped_labels_are_estimated_and_covered(flipped, monkeypatch):
    monkeypatch.setattr(room, "REPLICATES", 100)
    rng = np.random.default_rng(1)
    found = [label_noise(*cohort(rng, flipped), CLASSES, exclusive=True, rng=rng) for _ in range(40)]
    covered = [low <= flipped <= high for low, high in (each.wrong_interval for each in found)]
    assert np.mean(covered) >= 0.85
    assert np.mean([each.wrong for each in found]) == pytest.approx(flipped, abs=0.03)
    # the classifier disputes every fourth right label, which is no noise
    assert np.mean([each.disputed for each in found]) > flipped + 0.15


def test_labels_that_do_not_exclude_each_other_are_estimated_each_by_itself():
    rng = np.random.default_rng(2)
    truth = {side: rng.random((4000, 2)) < (0.5, 0.2) for side in ("released", "real")}
    hits = {
        side: np.where(has, rng.random(has.shape) < 0.7, rng.random(has.shape) < 0.1) for side, has in truth.items()
    }
    label = truth["released"] | (rng.random((4000, 2)) < (0.1, 0.0))
    expected = 1 - (label & truth["released"]).sum(axis=0) / label.sum(axis=0)
    found = label_noise(
        Judged(label, hits["released"], np.arange(4000)),
        Judged(truth["real"], hits["real"], np.arange(4000)),
        ("a", "b"),
        exclusive=False,
        rng=rng,
    )
    assert [found.wrong_by_label[name] for name in "ab"] == pytest.approx(expected.tolist(), abs=0.03)
    assert found.labels == label.sum() and found.wrong_interval[0] <= found.wrong <= found.wrong_interval[1]


def test_a_classifier_that_tells_nothing_says_so():
    rng = np.random.default_rng(3)
    label = one_hot(rng.integers(0, 3, 300))
    guess = one_hot(np.zeros(300, dtype=int))
    sides = [Judged(label, guess, np.arange(300))] * 2
    found = label_noise(*sides, CLASSES, exclusive=True, rng=rng)
    assert found.wrong is None and found.wrong_interval == (0.0, 1.0) and set(found.wrong_by_label) == set(CLASSES)


def test_images_of_one_person_are_no_more_than_one_person():
    rng = np.random.default_rng(4)
    released, held_out = cohort(rng, 0.2, held_out=120)
    few = Judged(held_out.labels, held_out.called, np.arange(120) // 12)
    one, other = (
        label_noise(released, side, CLASSES, exclusive=True, rng=np.random.default_rng(0)) for side in (held_out, few)
    )
    assert one.wrong == other.wrong and other.held_out_subjects == 10 < one.held_out_subjects == 60
