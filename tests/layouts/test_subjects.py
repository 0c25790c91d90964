"""One spelling for each subject, and spellings that look like one person."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path

import pytest

from unpersonal.layouts.subjects import look_alikes

from .cases import listing_of, refused, write


def table_of(root: Path, subjects: list[str]) -> Path:
    write(root, "t.csv", text="image,subject,label\n" + "".join(f'{i}.png,"{s}",a\n' for i, s in enumerate(subjects)))
    return root / "t.csv"


def test_one_spelling_for_a_subject(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Müller")
    assert decomposed != "Müller"
    spellings = ["P01", "p01", "Müller", decomposed, " 7 ", "7", "P 01", "8"]
    listing = listing_of(table_of(tmp_path, spellings))
    assert [r.subject for r in listing.records] == ["P01", "p01", "Müller", "Müller", "7", "7", "P 01", "8"]
    assert look_alikes(r.subject for r in listing.records) == [["P 01", "P01", "p01"]]
    same = listing_of(table_of(tmp_path, ["P01", "P02", "Müller", decomposed]))
    assert not look_alikes(r.subject for r in same.records)


def test_a_subject_of_blanks_is_an_error(tmp_path):
    write(tmp_path, "train/a/ -x.png")
    refused(tmp_path, "1 image has a subject of blanks", subject=r"(?P<subject>[Pp]\d| )-", layout="folder")


@pytest.mark.parametrize(
    ("subjects", "alike"),
    [
        (["P-01", "P_01", "p 01", "P02"], [["P-01", "P_01", "p 01"]]),
        (["1-11", "11-1"], []),  # site and number
        (["1-11", "1.11", "11-1"], [["1-11", "1.11"]]),
        (["1-11", "11-1", "111"], [["1-11", "11-1", "111"]]),
        (["Ａ１", "a1"], [["a1", "Ａ１"]]),  # full width
        (["Straße", "STRASSE", "a\u200bb", "ab"], [["STRASSE", "Straße"], ["ab", "a\u200bb"]]),
        (["Müller", "Muller", "ab", "abc"], []),
        (["-1", "1", "--1--"], [["--1--", "-1", "1"]]),
    ],
)
def test_look_alikes(subjects, alike):
    for order in itertools.permutations(subjects):
        assert sorted(look_alikes(order)) == sorted(alike)
