"""Counts in sentences."""

from __future__ import annotations

import pytest

from unpersonal.core.words import plural, quoted, share


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1234, "1,234 images")]
)
def test_a_count_goes_before_the_form_that_it_takes(count, expected):
    assert plural(count, "image") == expected
    assert plural(count, "image is", "images are") == expected + (" is" if count == 1 else " are")


def test_the_verb_goes_with_the_count():
    assert share(1, 9, "images", "is", "are") == "1 of 9 images is"
    assert share(3000, 9000, "images", "is", "are") == "3,000 of 9,000 images are"


def test_what_was_typed_is_quoted_as_it_was():
    assert quoted(r"a\b") == r"'a\b'" and quoted("a\n") == r"'a\n'"
