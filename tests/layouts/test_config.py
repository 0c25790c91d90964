"""Keys of `[cohort]` that are not valid."""

from __future__ import annotations

import pytest

from unpersonal.core.errors import InputError

from .cases import configure


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"subject": "(?P<subject>["}, "no regular expression"),
        ({"subject": r"sub-(\d+)"}, "no group named subject"),
        ({"label_from": r"(\w+)/"}, "no group named label"),
        ({"splits": {"train": 0.9}}, "add up to 1"),
        ({"classes": ["a", "a"]}, "distinct"),
        ({"layout": "jpeg"}, "layout"),
        ({"colour": True}, "unknown key"),
    ],
)
def test_bad_configuration(values, match):
    with pytest.raises(InputError, match=match):
        configure(images="x", **values)
