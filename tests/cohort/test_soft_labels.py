"""Probabilities in thousandths: exact sums, and what a table of them may say."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.cohort.soft_labels import from_csv, rounded, to_csv

CLASSES = ("a, b", "c", "d")


def draws(exclusive, n=500):
    values = np.random.default_rng(0).random((n, 3))
    return values / values.sum(1, keepdims=True) if exclusive else values


def test_exclusive_rows_sum_to_one_exactly_and_nothing_moves_by_a_thousandth():
    values = draws(True)
    soft = rounded(values, CLASSES, exclusive=True)
    assert (soft.thousandths.sum(1) == 1000).all()
    assert np.abs(soft.probabilities - values).max() < 1e-3


def test_others_are_rounded_each_by_itself():
    values = draws(False)
    assert (rounded(values, CLASSES, exclusive=False).thousandths == np.rint(values * 1000)).all()


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_table_gives_back_what_was_written(exclusive):
    soft = rounded(draws(exclusive), CLASSES, exclusive=exclusive)
    files = [f"img-{row}.png" for row in range(len(soft))]
    names, found = from_csv(to_csv(soft, files).decode())
    assert names == files and found.classes == CLASSES and found.exclusive is exclusive
    assert (found.thousandths == soft.thousandths).all()


def test_rows_of_which_classes_were_left_out_are_shared_out_anew():
    found = rounded([[0.2, 0.2], [0.0, 0.0], [0.3, 0.0]], ("a", "b"), exclusive=True)
    assert found.thousandths.tolist() == [[500, 500], [500, 500], [1000, 0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("file,a,a\n", "first line"),
        ("file,a,b\nx,0.5\n", "every line"),
        ("file,a,b\nx,0.5,0.5\nx,0.5,0.5\n", "twice"),
        ("file,a,b\nx,half,0.5\n", "no number"),
        ("file,a,b\nx,1.5,-0.5\n", "between 0 and 1"),
        ("file,a,b\nx,nan,0.5\n", "between 0 and 1"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(text, said):
    with pytest.raises(ValueError, match=said):
        from_csv(text)
