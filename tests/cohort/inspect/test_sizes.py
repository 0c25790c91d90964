"""Subjects that the bounds of the policy and the audit need."""

from __future__ import annotations

import pytest

from unpersonal.cohort.inspect.sizes import (
    AUDIT_SUBJECTS,
    calibration_subjects_needed,
    check_size,
)

FRACTIONS = {"train": 0.5, "val": 0.2, "aux": 0.1, "test": 0.2}


def test_calibration_subjects_by_the_closed_form():
    assert calibration_subjects_needed(0.01) == 299 and calibration_subjects_needed(0.001) == 2995
    for bound in (0.5, 0.2, 0.05, 0.013, 0.0037):
        n = calibration_subjects_needed(bound)
        assert (1 - bound) ** n <= 0.05 < (1 - bound) ** (n - 1)
    for bad in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="miss bound"):
            calibration_subjects_needed(bad)


def test_subjects_in_all_that_the_default_and_other_splits_take():
    parts = {"train": 100, "val": 40, "aux": 20, "test": 40, "val-calibration": 20}
    assert check_size(parts, 0.01, FRACTIONS).cohort_needed == 2990
    assert check_size(parts, 0.001, FRACTIONS).cohort_needed == 29950
    assert check_size(parts, 0.2, FRACTIONS).cohort_needed == AUDIT_SUBJECTS / 0.2
    assert check_size(parts, 0.01).cohort_needed == 2990  # the same shares, counted
    assert not check_size(parts, 0.01).enough
    assert check_size({"train": 450, "val": 598, "aux": 1, "test": 450, "val-calibration": 299}, 0.01).enough
    assert not check_size({"train": 450, "val": 596, "aux": 1, "test": 450, "val-calibration": 298}, 0.01).enough
    assert not check_size({"train": 450, "val": 598, "aux": 1, "test": 449, "val-calibration": 299}, 0.01).enough
