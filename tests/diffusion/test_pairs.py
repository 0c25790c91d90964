"""Whom the monitor compares."""

from __future__ import annotations

import numpy as np

from unpersonal.diffusion.inputs import shown
from unpersonal.diffusion.pairs import matched_pairs
from unpersonal.features.store import Component


def test_pairs_have_the_same_labels_and_every_person_once() -> None:
    rng = np.random.default_rng(1)
    subjects = np.array([f"p{i // 2}" for i in range(200)], dtype=object)
    groups = np.sort(rng.integers(0, 3, 100)).repeat(2)
    train, held_out = np.arange(0, 120), np.arange(120, 200)
    pairs = matched_pairs(subjects, rng.permutation(groups), train, held_out, 30, np.random.default_rng(2))
    assert len(pairs[0]) == len(pairs[1]) <= 30
    for rows, part in zip(pairs, (train, held_out), strict=True):
        assert set(rows) <= set(part) and len({subjects[row] for row in rows}) == len(rows)
    labels = rng.integers(0, 3, 200)
    a, b = matched_pairs(subjects, labels, train, held_out, 30, np.random.default_rng(2))
    assert (labels[a] == labels[b]).all() and len(a) == 30
    a, b = matched_pairs(subjects, np.arange(200), train, held_out, 30, np.random.default_rng(2))
    assert len(a) == 30, "where no labels are shared, people are compared all the same"


def test_people_whom_nobody_labelled_are_compared_in_their_share() -> None:
    subjects = np.array([f"p{i}" for i in range(160)], dtype=object)
    labels = np.random.default_rng(1).integers(0, 2, 160)
    train, held_out = np.arange(100), np.arange(100, 160)
    labelled = np.arange(160) >= 75
    groups = np.where(labelled, labels, 9)
    a, b = matched_pairs(subjects, groups, train, held_out, 160, np.random.default_rng(2), labelled)
    bare = ~labelled[a]
    assert bare.sum() == 45 and len(set(a)) == len(set(b)) == len(a), "three quarters of the 60 held-out people"
    assert set(a) <= set(train) and set(b) <= set(held_out)
    assert (groups[a[~bare]] == groups[b[~bare]]).all() and (~bare).any()
    conditions = np.random.default_rng(3).normal(size=(160, 5)).astype(np.float32)
    parts = (Component("feature", 0, 3), Component("label", 3, 5, from_labels=True, noisy=False))
    told = shown(conditions, (a, b), labelled, parts)
    assert np.array_equal(told[0], conditions[a]) and np.array_equal(told[1][:, :3], conditions[b][:, :3])
    assert np.array_equal(told[1][bare, 3:], conditions[a[bare], 3:])
    assert np.array_equal(told[1][~bare], conditions[b[~bare]])
