"""Subjects that the gate needs."""

from __future__ import annotations

import pytest

from unpersonal.cohort.inspect.sizes import (
    STRANGERS,
    check_size,
    protected_subjects_needed,
    suspect_size,
)
from unpersonal.layouts.config import Splits

FRACTIONS = {"train": 0.5, "val": 0.2, "aux": 0.1, "test": 0.2}


def test_protected_subjects_by_the_closed_form():
    assert protected_subjects_needed(0.01) == 299 and protected_subjects_needed(0.001) == 2995
    for bound in (0.5, 0.2, 0.05, 0.013, 0.0037):
        n = protected_subjects_needed(bound)
        assert (1 - bound) ** n <= 0.05 < (1 - bound) ** (n - 1)
    for bad in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="miss bound"):
            protected_subjects_needed(bad)


def test_subjects_in_all_that_the_default_and_other_splits_take():
    default = Splits().model_dump()
    parts = {"train": 100, "val": 20, "aux": 20, "test": 60, "val-calibration": 10}
    assert check_size(parts, 0.01, default).cohort_needed == 667 > STRANGERS / 0.15
    assert check_size(parts, 0.01).cohort_needed == 667  # the same shares, counted
    assert check_size(parts, 0.01, FRACTIONS).cohort_needed == 299 / 0.5
    assert check_size(parts, 0.001, default).cohort_needed == 2995 / 0.5
    mostly = {"train": 0.495, "val": 0.02, "aux": 0.01, "test": 0.475}
    assert check_size(parts, 0.01, mostly).cohort_needed == STRANGERS / 0.02


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, []),
        ({"val-calibration": STRANGERS - 2}, ["few-strangers"]),
        ({"train": 299, "test": 1}, []),
        ({"train": 298}, ["few-protected-subjects"]),
    ],
)
def test_every_subset_that_is_too_small_is_told(changed, told):
    parts = {"train": 450, "val": 200, "aux": 1, "test": 450, "val-calibration": STRANGERS - 1, **changed}
    size = check_size(parts, 0.01)
    assert [found.kind for found in suspect_size(size, given=False)] == told and size.enough is not bool(told)
