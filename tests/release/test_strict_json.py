"""JSON of which two readers could make different things is none."""

from __future__ import annotations

import pytest

from unpersonal.release.strict_json import NotStrict, parse


def test_plain_json_is_read() -> None:
    assert parse('{"a": [1, 2.5, null, true, {"b": "x"}]}') == {"a": [1, 2.5, None, True, {"b": "x"}]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"b": {"verdict": "fail", "verdict": "pass"}}', "'verdict' stands twice"),
        ("[NaN]", "NaN is no number"),
        ("-Infinity", "-Infinity is no number"),
        ("1e999", "too large"),
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[" * 200_000, "nested"),
    ],
)
def test_what_is_not_says_why(text: str, words: str) -> None:
    with pytest.raises(NotStrict, match=words):
        parse(text)
