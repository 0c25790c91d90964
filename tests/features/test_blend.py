"""Conditions blended over subjects."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.core.seeds import numpy_rng
from unpersonal.features.blend import Blender, known_groups, label_groups
from unpersonal.features.pca import unit_rows


def blender(noise=0.0, k=2):
    rng = np.random.default_rng(0)
    features = unit_rows(rng.normal(size=(12, 6)))
    subjects = np.array([f"s{i // 2}" for i in range(12)], dtype=object)
    groups = np.array([0] * 8 + [1] * 2 + [2] * 2)
    return Blender(features, subjects, groups, k, noise)


def test_a_condition_mixes_subjects_of_the_same_label_only():
    mixed = blender()
    for draw in range(50):
        condition = mixed.condition(0, numpy_rng(draw, "t"))
        assert np.linalg.norm(condition) == pytest.approx(1, abs=1e-5)
        pairs = [
            np.linalg.lstsq(mixed.conditions[[0, mate]].T.astype(float), condition.astype(float), rcond=None)
            for mate in range(2, 8)
        ]
        best = min(pairs, key=lambda solution: float(solution[1][0]))
        assert best[1][0] < 1e-9
        # nobody is nearly all of a condition
        assert 0.25 - 1e-6 < best[0][0] / best[0].sum() < 0.75 + 1e-6


def test_a_label_of_one_subject_yields_no_condition():
    assert blender().condition(8, numpy_rng(0)) is None
    assert blender(k=5).condition(0, numpy_rng(0)) is None
    assert blender(k=4).condition(0, numpy_rng(0)) is not None


def test_condition_noise_has_the_stated_length():
    quiet = blender()
    loud = Blender(quiet.conditions, quiet.subjects, quiet.groups, 2, 0.3)
    gaps = [np.linalg.norm(loud.condition(0, numpy_rng(i)) - quiet.condition(0, numpy_rng(i))) for i in range(200)]
    assert 0.2 < np.mean(gaps) < 0.33


def test_label_groups():
    codes = label_groups(np.array([[1, 0], [0, 1], [1, 1], [1, 0]], np.float32))
    assert codes[0] == codes[3] and len(set(codes.tolist())) == 3
    known = known_groups(np.array([[1, 0], [0, 0], [0, 0], [1, 0]], np.float32), np.array([True, True, False, False]))
    assert known[2] == known[3] and len({*known[:3].tolist()}) == 3


def rare_label_blender(given, k=2, conditions=True):
    """Rows 0-3 (a-d) share a label, 4 (e) and 5 (f) a rare one; `given`: whether it was given to 4 and 5."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labelled = np.array([True, True, True, True, *given])
    subjects, groups = np.array(list("abcdef"), dtype=object), np.array([0, 0, 0, 0, 1, 1])
    return Blender(rows if conditions else None, subjects, groups, k, 0.0, (), labelled)


@pytest.mark.parametrize("conditions", [True, False])
def test_a_predicted_label_hides_nobody(conditions):
    """The one person who was given a rare label is not drawn, and neither is the one for whom it was predicted."""
    rare = rare_label_blender((True, False), conditions=conditions)
    assert not rare.may_draw(4) and not rare.may_draw(5)
    assert rare.condition(4, numpy_rng(0, "t")) is None and rare.condition(5, numpy_rng(0, "t")) is None
    assert not any(rare_label_blender((False, False)).may_draw(row) for row in (4, 5))
    both = rare_label_blender((True, True), conditions=conditions)
    assert both.may_draw(4) and both.may_draw(5)
    three = rare_label_blender((True, True), k=3)
    assert not three.may_draw(4) and three.may_draw(0)


def test_where_enough_people_were_given_a_label_predicted_ones_are_drawn_and_blended():
    blender = rare_label_blender((True, True))
    known = np.array([True, True, False, False, True, True])
    mixed = Blender(blender.conditions, blender.subjects, blender.groups, 2, 0.0, (), known)
    assert all(mixed.may_draw(row) for row in range(4))
    everyone = Blender(blender.conditions, blender.subjects, blender.groups, 2, 0.0)
    for row in range(4):
        np.testing.assert_array_equal(
            mixed.condition(row, numpy_rng(row, "t")), everyone.condition(row, numpy_rng(row, "t"))
        )


def test_two_images_of_one_person_are_one_person():
    blender = rare_label_blender((True, True))
    twice = np.array(list("abcdee"), dtype=object)
    one = Blender(blender.conditions, twice, blender.groups, 2, 0.0, (), np.ones(6, bool))
    assert not one.may_draw(4) and one.condition(5, numpy_rng(0, "t")) is None


def test_a_blend_of_given_images_is_of_them_alone_and_never_of_one_person():
    quiet = blender()
    mixed = quiet.blend([0, 6], numpy_rng(0, "t"))
    weights, rest, *_ = np.linalg.lstsq(quiet.conditions[[0, 6]].T.astype(float), mixed.astype(float), rcond=None)
    assert rest[0] < 1e-9 and (weights > 0).all()
    # two images of one person, two label sets, too few images
    for rows in ([0, 1], [0, 8], [0], [0, 2, 4]):
        with pytest.raises(ValueError, match="2 images of as many subjects"):
            quiet.blend(rows, numpy_rng(0, "t"))
