"""The desk: decisions are recorded one by one, the last counts, conflicts are told, interruptions are mended."""

from __future__ import annotations

import pytest

from unpersonal.core.errors import InputError
from unpersonal.report.review_desk import Desk, Unknown
from unpersonal.synthesis.reviewed import LEDGER, read_review, review_ledger


def test_opening_a_desk_writes_nothing(study):
    assert Desk(study).counts() == {"images": 12, "decided": 0, "removed": 0}
    assert not (study / LEDGER).exists()


def test_decisions_survive_and_the_last_one_counts(study):
    desk = Desk(study)
    first, second, *_ = desk.items
    desk.decide(first, "remove", tab="a", seen=0)
    desk.decide(second, "keep", tab="a", seen=0)
    desk.decide(first, "note", note="<b>like</b> her", tab="a", seen=1)
    again = Desk(study)
    assert again.counts() == desk.counts() == {"images": 12, "decided": 2, "removed": 1}
    assert again.opinion(first).note == "<b>like</b> her"
    again.decide(first, "keep", tab="b", seen=3)
    assert read_review(study).removed == frozenset()
    # what was is all there
    events = [entry["event"] for entry in review_ledger(study).read().entries]
    assert events == ["remove", "keep", "note", "keep"]


def test_two_tabs_are_both_recorded_and_a_conflict_is_told(study):
    desk = Desk(study)
    image = next(iter(desk.items))
    assert desk.decide(image, "remove", tab="a", seen=0).conflict is None
    answer = desk.decide(image, "keep", tab="b", seen=0)
    assert answer.opinion.decision == "keep" and answer.conflict is not None
    assert (answer.conflict.decision, answer.conflict.tab) == ("remove", "a")
    # who knew of it, or says the same, is in no conflict
    assert desk.decide(image, "remove", tab="a", seen=answer.opinion.line).conflict is None
    assert desk.decide(image, "remove", tab="b", seen=0).conflict is None
    noted = desk.decide(image, "note", note="x", tab="a", seen=4)
    assert desk.decide(image, "note", note="y", tab="b", seen=4).conflict == noted.opinion
    assert len(review_ledger(study).read().entries) == 6


def test_what_is_not_shown_cannot_be_decided_on(study):
    desk = Desk(study)
    for image in ("0" * 64, "../../cohort.parquet", ""):
        with pytest.raises(Unknown):
            desk.decide(image, "keep", tab="a", seen=0)
    assert not (study / LEDGER).exists()


def test_a_torn_ledger_is_mended_and_said(study):
    desk = Desk(study)
    for image in list(desk.items)[:2]:
        desk.decide(image, "remove", tab="a", seen=0)
    path = study / LEDGER
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    again = Desk(study)
    assert "nothing was lost" in again.mended and again.counts()["removed"] == 2
    assert path.read_bytes() == whole and Desk(study).mended == ""
    path.write_bytes(whole + b'{"half')
    assert "nobody had been told" in Desk(study).mended
    assert Desk(study).counts()["removed"] == 2


def test_a_damaged_ledger_opens_no_desk(study):
    desk = Desk(study)
    for image in list(desk.items)[:3]:
        desk.decide(image, "remove", tab="a", seen=0)
    path = study / LEDGER
    path.write_bytes(path.read_bytes().replace(b'"remove"', b'"keep"', 1))
    with pytest.raises(InputError, match="altered"):
        Desk(study)
    # nor does one that is open go on
    with pytest.raises(InputError):
        desk.decide(next(iter(desk.items)), "keep", tab="a", seen=0)


def test_another_selection_needs_a_word_and_forgets_no_removal(study):
    desk = Desk(study)
    image = next(iter(desk.items))
    with review_ledger(study).open() as ledger:
        ledger.add({"event": "remove", "selection": "5" * 64, "image": image, "tab": "old"})
    with pytest.raises(InputError, match="--anew"):
        Desk(study)
    assert Desk(study, anew=True).opinion(image).decision == "remove"
    assert Desk(study).counts()["removed"] == 1
