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
