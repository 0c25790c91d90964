"""Whom the monitor compares."""

from __future__ import annotations

import numpy as np

from unpersonal.diffusion.inputs import shown
from unpersonal.diffusion.pairs import compared_rows, one_hot
from unpersonal.features.store import Component

SUBJECTS = np.array([f"p{i // 2}" for i in range(200)], dtype=object)
TRAIN, HELD_OUT = np.arange(0, 120), np.arange(120, 200)


def test_both_sides_have_the_same_labels_in_the_same_proportions() -> None:
    rng = np.random.default_rng(1)
    groups = np.where(np.arange(200) < 120, rng.random(200) < 0.3, rng.random(200) < 0.6).astype(int).repeat(1)
    groups[150] = 7  # nobody in train has these labels
    found = compared_rows(SUBJECTS, groups, TRAIN, HELD_OUT, 40, np.random.default_rng(2))
    assert set(found.train) <= set(TRAIN) and set(found.held_out) <= set(HELD_OUT) - {150}
    assert len({SUBJECTS[row] for row in found.train}) == len(found.train) <= 40
    assert len({SUBJECTS[row] for row in found.held_out}) < len(found.held_out), "all images of held-out people"
    for rows, codes in zip((found.train, found.held_out), found.groups, strict=True):
        assert np.array_equal(groups[rows], codes)
    hot = one_hot(found.groups)
    assert [len(each) for each in hot] == [len(found.train), len(found.held_out)] and (hot[0].sum(axis=1) == 1).all()


def test_a_count_holds_for_people_and_no_shared_label_compares_all() -> None:
    found = compared_rows(SUBJECTS, np.zeros(200, int), TRAIN, HELD_OUT, 10, np.random.default_rng(2))
    assert len({SUBJECTS[row] for row in found.held_out}) == 10 and len(found.train) == 10
    many = compared_rows(SUBJECTS, np.zeros(200, int), TRAIN, HELD_OUT, 1000, np.random.default_rng(2))
    assert len(many.train) == 60 and len(many.held_out) == 80
    apart = compared_rows(SUBJECTS, np.arange(200), TRAIN, HELD_OUT, 30, np.random.default_rng(2))
    assert len(apart.train) == 30 and len({SUBJECTS[row] for row in apart.held_out}) == 30


def test_people_whom_nobody_labelled_are_compared_in_their_share() -> None:
    subjects = np.array([f"p{i}" for i in range(160)], dtype=object)
    labels = np.random.default_rng(1).integers(0, 2, 160)
    train, held_out = np.arange(100), np.arange(100, 160)
    labelled = np.arange(160) >= 75
    groups = np.where(labelled, labels, 9)
    found = compared_rows(subjects, groups, train, held_out, 160, np.random.default_rng(2), labelled)
    assert found.bare.sum() == 45 and len(found.held_out) == 60, "three quarters of the 60 held-out people"
    nobody = ~labelled[found.train]
    assert len(set(found.groups[0][nobody])) == 1 and set(found.groups[1][found.bare]) == set(found.groups[0][nobody])
    assert np.array_equal(found.groups[1][~found.bare], groups[found.held_out][~found.bare])
    conditions = np.random.default_rng(3).normal(size=(160, 5)).astype(np.float32)
    conditions[~labelled, 3:] = 0.5
    parts = (Component("feature", 0, 3), Component("label", 3, 5, from_labels=True, noisy=False))
    told = shown(conditions, found, labelled, parts)
    assert np.array_equal(told[0], conditions[found.train])
    assert np.array_equal(told[1][:, :3], conditions[found.held_out][:, :3])
    assert (told[1][found.bare, 3:] == 0.5).all()
    assert np.array_equal(told[1][~found.bare], conditions[found.held_out[~found.bare]])
