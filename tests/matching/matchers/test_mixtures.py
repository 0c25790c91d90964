"""Sums of people."""

from __future__ import annotations

import pytest

from unpersonal.matching.matchers.mixtures import MATCHER


@pytest.mark.parametrize(
    ("name", "strength"), [("exact", 1), ("average", 0.8), ("average", 0.7), ("exposure", 1.3), ("jpeg", 50)]
)
def test_a_mixture_is_found_and_names_its_subject(recall, name, strength):
    found, right = recall(MATCHER, name, strength)
    assert found >= 0.9 and right >= 0.9


def test_a_picture_on_its_side_is_none_of_its_business(recall):
    """A control: pictures are added in place."""
    assert recall(MATCHER, "right-angle", 90)[1] <= 0.3


def test_it_is_kept_as_it_is(keeps):
    keeps(MATCHER)


def test_a_query_does_not_meet_its_own_subject(leaves_out):
    leaves_out(MATCHER)
