"""Pieces of people in other people's pictures."""

from __future__ import annotations

import pytest

from unpersonal.matching.matchers.parts import EDGE, MATCHER, _window_places


@pytest.mark.parametrize(("name", "strength"), [("exact", 1), ("half", 0.5), ("region", 0.5)])
def test_a_piece_is_found_and_names_its_subject(recall, name, strength):
    found, right = recall(MATCHER, name, strength)
    assert found >= 0.9 and right >= 0.9


def test_a_picture_on_its_side_is_none_of_its_business(recall):
    """A control: windows are compared in place."""
    assert recall(MATCHER, "right-angle", 90)[1] <= 0.3


def test_windows_stay_inside_their_margin_under_every_shift():
    for side, places in _window_places(64):
        assert places and all(1 <= EDGE <= top and top + side <= 64 - EDGE for place in places for top in place)


def test_it_is_kept_as_it_is(keeps):
    keeps(MATCHER)


def test_a_query_does_not_meet_its_own_subject(leaves_out):
    leaves_out(MATCHER)
