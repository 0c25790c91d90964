"""What a release tells of the cohort's counts: nothing, whatever was left out of it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies import cohort_of
from unpersonal.audit.stage import gone_with
from unpersonal.synthesis.known import known_counts, repeating_rows, unrepeated
from unpersonal.synthesis.selected import Selected

SUBJECTS = [f"s{row // 2}" for row in range(40)]
COHORT = cohort_of(SUBJECTS, [["a"] if row < 24 else ["b"] for row in range(40)])


def targets_of(*counts):
    return np.repeat(np.eye(2, dtype=np.float32), counts, axis=0)


@pytest.mark.parametrize(("count", "known", "told"), [(5, {5, 4}, 3), (5, {4}, 5), (1, {1}, 0), (0, {0}, 0)])
def test_a_number_is_lowered_until_it_is_not_known(count, known, told):
    assert unrepeated(count, frozenset(known)) == told


def test_only_small_label_sets_have_counts_that_could_be_somebodys():
    many = np.arange(400).astype(str)
    assert known_counts(many, [np.ones(400, bool)]) == frozenset()
    assert known_counts(many, [np.arange(400) < 60, np.ones(400, bool)]) == {60, 400}


def test_dropping_a_copy_repeats_no_count_of_the_cohort():
    """12 subjects and 24 images have label a: of 13 released images one is dropped, and another goes with it."""
    targets = targets_of(13, 11)
    assert repeating_rows(COHORT, targets, np.array([3])).tolist() == [12]
    assert repeating_rows(COHORT, targets, np.array([15])).tolist() == []
    assert repeating_rows(COHORT, targets_of(12, 11), np.array([], int)).tolist() == [11]
    assert repeating_rows(COHORT, targets, np.arange(24)).tolist() == []


def test_the_audit_drops_what_would_repeat_a_count():
    targets = targets_of(13, 11)
    selected = Selected(np.zeros((24, 1, 8, 8), np.uint8), [["a"]] * 13 + [["b"]] * 11, targets)
    assert sorted(gone_with(np.array([3]), COHORT, selected)) == [3, 12]
    assert gone_with(np.array([], int), COHORT, selected) == []
