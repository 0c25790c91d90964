"""Letters that nobody can tell apart have one spelling, and what could not be decoded is nobody's."""

from __future__ import annotations

import unicodedata

import pytest

from unpersonal.core.letters import is_undecodable, look, mended, one_spelling, spellings, with_code_points

BLANKS = "\u00a0\u1680\u2000\u2003\u2009\u202f\u205f\u3000\t"
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202e\u2066\u2069\u061c\u180e\u034f\ufe0f\u3164"


@pytest.mark.parametrize("mark", INVISIBLE)
def test_what_nobody_sees_is_not_there(mark):
    assert one_spelling(f"{mark}Ede{mark}ma{mark}") == "Edema"


@pytest.mark.parametrize("blank", BLANKS)
def test_every_blank_is_one(blank):
    assert one_spelling(f"{blank}No{blank}Finding{blank}") == "No Finding"


def test_letters_are_composed_and_full_width_forms_are_ascii():
    assert one_spelling(unicodedata.normalize("NFD", "Ödem é")) == "Ödem é"
    assert one_spelling("\uff30\uff10\uff11\uff0f\uff0d") == "P01/-"
    assert one_spelling("P-01 (a)") == "P-01 (a)"
    # what can be told apart stays apart
    assert len(set(map(one_spelling, ["²", "2", "ﬁ", "fi", "ß", "ss", "Å", "A"]))) == 8


@pytest.mark.parametrize("text", ["", "a", " Ö\u00a0", "\uff11 \u200b", "e\u0301"])
def test_one_spelling_has_itself_as_spelling(text):
    assert one_spelling(one_spelling(text)) == one_spelling(text)


@pytest.mark.parametrize("text", ["M\ufffdller", "\udcfc01", "\x1b$)C\xb1\xe801", "a\x00b", "\x85"[:0] + "a\x9bb"])
def test_what_was_lost_in_decoding_is_told(text):
    assert is_undecodable(text)


@pytest.mark.parametrize("text", ["Müller", "张三01", "P1\u200b", " a\tb\n", "Ä\u00a0", "김", ""])
def test_odd_letters_are_none_that_were_lost(text):
    assert not is_undecodable(text)


def test_letters_of_other_alphabets_look_like_ours():
    assert look("Реtеr") == "Peter"
    assert look("ΑΒ12‐3") == "AB12-3"
    assert look("Пётр") != look("Petr")


def test_text_that_was_read_in_a_wrong_encoding_is_mended():
    assert mended("MÃ¼ller") == "Müller"
    assert mended("Müller") == "Müller"
    assert mended("plain") == "plain"


def test_code_points_are_shown_where_letters_are_not_plain():
    assert with_code_points("Edema") == "'Edema'"
    assert with_code_points("Ede\u200bma") == "'Ede␣ma' (U+200B)"
    assert spellings(["\u00d6", "O\u0308"]) == "'\u00d6' (U+00D6) and 'O\u0308' (U+0308)"
