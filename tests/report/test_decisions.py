"""private.html names who signed and what was noted in a review; report.html does not."""

from __future__ import annotations

from unpersonal.release.sign_off import LEDGER, add_sign_off
from unpersonal.report.decisions import decision_sections
from unpersonal.report.private import build_private
from unpersonal.report.review_desk import Desk


def test_where_nobody_decided_anything_nothing_is_said(study):
    before = build_private(study).read_bytes()
    assert decision_sections(study) == ()
    desk = Desk(study)
    desk.decide(next(iter(desk.items)), "remove", tab="a", seen=0)
    assert build_private(study).read_bytes() != before


def test_names_notes_and_removals_are_on_the_private_page_as_text(study):
    desk = Desk(study)
    first, second, *_ = desk.items
    desk.decide(first, "remove", tab="a", seen=0)
    desk.decide(first, "note", note="<b>a ring</b>", tab="a", seen=1)
    desk.decide(second, "keep", tab="a", seen=0)
    add_sign_off(study, "ab" * 32, name="Ada <Byron>", role="officer", note="with care")
    html = build_private(study).read_text()
    for text in ("&lt;b&gt;a ring&lt;/b&gt;", "Ada &lt;Byron&gt;", "officer", "with care", "ab" * 32, first[:12]):
        assert text in html, text
    assert "2 images were decided on, 1 of them removed." in html and second[:12] not in html


def test_a_damaged_ledger_does_not_keep_the_page_from_being_written(study):
    (study / LEDGER).write_text("nonsense\n")
    assert "Sign-offs" not in build_private(study).read_text()
