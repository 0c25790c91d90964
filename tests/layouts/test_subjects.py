"""One spelling for each subject, and spellings that look like one person."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path

import pytest

from unpersonal.images.reasons import Reason
from unpersonal.layouts.subjects import look_alikes, own_name

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
        (["Peter", "\u0420eter", "Paul"], [["Peter", "\u0420eter"]]),  # a Cyrillic letter
        (["M\u00fcller", "M\u00c3\u00bcller"], [["M\u00c3\u00bcller", "M\u00fcller"]]),  # UTF-8 as Latin-1
        (
            ["\u5f20\u4e0901", "\u00d5\u00c5\u00c8\u00fd01"],
            [["\u00d5\u00c5\u00c8\u00fd01", "\u5f20\u4e0901"]],
        ),
        (["Wang^Xiao=\u738b^\u5c0f", "Wang^Xiao", "a=1", "a=2"], [["Wang^Xiao", "Wang^Xiao=\u738b^\u5c0f"]]),
    ],
)
def test_look_alikes(subjects, alike):
    for order in itertools.permutations(subjects):
        assert sorted(look_alikes(order)) == sorted(alike)


ONE = ["P1", "P1\u200b", "\u2060P1", "\uff301", "P1\u00a0", "\u202aP1\u202c"]


def test_a_subject_has_one_spelling_and_its_owner_sees_all_with_their_code_points(tmp_path):
    listing = listing_of(table_of(tmp_path, [*ONE, "P2", "P2"]))
    assert [record.subject for record in listing.records] == ["P1"] * len(ONE) + ["P2"] * 2
    # blanks around a cell are no spelling of their own
    assert set(listing.spelt["P1"]) == {"P1", "P1\u200b", "\u2060P1", "\uff301", "\u202aP1\u202c"}
    assert list(listing.spelt) == ["P1"]


@pytest.mark.parametrize("lost", ["\ufffd\ufffd01", "M\ufffdller", "\x1b$)C\xb1\xe8", "A\x9d1"])
def test_an_id_with_undecodable_letters_is_nobody(tmp_path, lost):
    listing = listing_of(table_of(tmp_path, [lost, "M\u00fcller", "\u5f20\u4e0901"]))
    assert [record.subject for record in listing.records] == ["M\u00fcller", "\u5f20\u4e0901"]
    ((image, reason, detail),) = listing.refused
    assert (image, reason) == ("0.png", Reason.SUBJECT_UNKNOWN)
    assert "could not be decoded" in detail


def test_files_that_are_people_stay_as_many_as_they_are(tmp_path):
    names = ["a/x.png", "a/x\u200b.png", "b/\u00f6.png", "b/o\u0308.png", "b/o \u00a0.png"]
    listing = listing_of(write(tmp_path, *names), layout="folder", subject="file")
    assert sorted(record.subject for record in listing.records) == sorted(names)
    assert all(record.subject == own_name(record.image) for record in listing.records)
    assert not listing.spelt
