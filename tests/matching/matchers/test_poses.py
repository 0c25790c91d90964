"""Whole pictures, however they were turned."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.matching.matchers.poses import MAP, MATCHER, SHARES, _places


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("exact", 1), ("mirror", 1), ("polarity", 1), ("right-angle", 90), ("right-angle", 270), ("rotation", 10),
        ("rotation", 15), ("exposure", 1.7), ("zoom", 1.15), ("zoom", 0.85), ("frame", 0.85), ("letterbox", 0.8),
        ("squash", 0.8), ("crop", 0.85), ("jpeg", 20),
    ],
)  # fmt: skip
def test_a_turned_picture_is_found_and_names_its_subject(recall, name, strength):
    found, right = recall(MATCHER, name, strength)
    assert found >= 0.9 and right >= 0.9


def test_a_half_is_none_of_its_business(recall):
    """A control: where hardly anything of a person is left, hardly anything is found."""
    assert recall(MATCHER, "region", 0.14)[0] <= 0.25


def test_windows_reach_every_edge():
    for share, step in SHARES.items():
        side = round(MAP / share)
        places = _places(side, step)
        assert {(0, 0), (0, side - MAP), (side - MAP, side - MAP)} <= set(places)
        tops = sorted({top for top, _ in places})
        assert max(np.diff(tops)) <= step


def test_it_is_kept_as_it_is(keeps):
    keeps(MATCHER)
