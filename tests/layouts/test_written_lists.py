"""Lists that programs wrote into cells are read as Python, NumPy and JSON write them; other text is no list."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unpersonal.layouts.columns import Columns
from unpersonal.layouts.rows import row_labels
from unpersonal.layouts.written_lists import LONGEST, written_list

LABELS = ["normal", "Crohn's disease", 'a "b"', "ground glass, both", "Ödem", "x[1]"]


@pytest.mark.parametrize("write", [repr, json.dumps, lambda value: json.dumps(value, ensure_ascii=False)])
@pytest.mark.parametrize("count", range(len(LABELS) + 1))
def test_what_was_written_is_read(write, count):
    assert written_list(write(LABELS[:count])) == LABELS[:count]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[]", []),
        (" [ ] ", []),
        ("\"['a']\"", ["a"]),
        ("'[\"a\"]'", ["a"]),
        ('"[""a"", ""b""]"', ["a", "b"]),
        ("['a' 'b'\n 'c']", ["a", "b", "c"]),
        ("[a, b]", ["a", "b"]),
        ("['a', None, nan, '']", ["a"]),
        ("[NA]", []),
        ("[[\"a\"], ['b']]", ["a", "b"]),
        ("('a', 'b')", ["a", "b"]),
        ("{'a'}", ["a"]),
        ("array(['a', 'b'], dtype=object)", ["a", "b"]),
        (str(np.array(["a", "b"])), ["a", "b"]),
        ("['a', ' ']", ["a"]),
    ],
)
def test_the_forms_of_public_tables(text, items):
    assert written_list(text) == items


@pytest.mark.parametrize(
    "text",
    ["", "a", "a|b", "a[1]", "(benign)", "{x}", "[a", "['a]", "'a'", "[" + "a," * LONGEST + "]", "()", "['a'] b"],
)
def test_other_text_is_no_list(text):
    assert written_list(text) is None


def labels(*cells):
    return row_labels(Columns("t", {"label": list(cells)}, list(range(len(cells)))).cells["label"])


def test_lists_bars_and_semicolons_are_several_labels():
    assert labels("a|b", "a;b", "a ; b", "a") == [("a", "b"), ("a", "b"), ("a", "b"), ("a",)]
    assert labels("['a', 'b']", "['a', ' ']", "[]", "['a', 'a']") == [("a", "b"), ("a",), (), ("a",)]
    assert labels(["a", "b"], None, float("nan"), "N/A") == [("a", "b"), (), (), ()]


def test_nothing_is_a_blank_only_where_a_program_wrote_lists():
    assert labels("None", "NA", "mild") == [("None",), ("NA",), ("mild",)]
    assert labels("None", "NA", "['mild']") == [(), (), ("mild",)]


def test_a_label_has_one_spelling():
    assert set(labels("Edema", "Edema\u00a0", "Ede\u200bma", "O\u0308dem", "Ödem")) == {("Edema",), ("Ödem",)}
