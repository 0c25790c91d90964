"""Codes of labels."""

from __future__ import annotations

import numpy as np

from unpersonal.features.conditions.label import CONDITION, label_codes


def test_label_codes_have_columns_for_nothing_and_for_nobody_looked():
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 0]], np.float32)
    half = np.sqrt(0.5)
    known = np.array([True, True, True, False])
    wanted = [[1, 0, 0, 0], [half, half, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(label_codes(targets, known), wanted, atol=1e-6)
    assert label_codes(targets[:2], known[:2]).shape == (2, 2)


def test_the_planned_length_assumes_one_class_where_there_is_no_cohort():
    assumed = []
    assert CONDITION.length(None, None, assumed) == 3 and "label codes of 3 columns" in assumed[0]
