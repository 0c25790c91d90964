"""A few lines about an audit: verdict, primary figures with margins, what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.profiles import MEMBERSHIP
from unpersonal.audit.rows import PrimaryRow
from unpersonal.audit.spoken import advice, spoken
from unpersonal.report.summary import Summary

from .test_chapters import SEARCH


@pytest.fixture
def audit(demo_summary: Summary) -> AuditFigures:
    assert demo_summary.figures.audit is not None
    return replace(demo_summary.figures.audit, verdict="pass", copied=None, profile="open")


def test_verdict_figures_and_advice_are_said(audit: AuditFigures) -> None:
    row = PrimaryRow(MEMBERSHIP, "membership_by_stack", 0.51, 0.48, 0.5401, 0.55, "within", None)
    lines = spoken(replace(audit, primary=(row,)))
    assert lines[0] == "verdict: pass (margins of the profile open)"
    assert lines[1] == "  AUROC of membership: 0.510, at most 0.541 (margin 0.55): within the margin"
    assert lines[-1].startswith("what to do: nothing that was measured speaks against giving the images to anybody")


def test_copied_people_are_said_without_a_small_count(audit: AuditFigures) -> None:
    few = replace(audit, verdict="fail", copied=replace(SEARCH, people="<5", images=60, dropped=None))
    assert "copied people: 60 images of fewer than five people (in 1,000 images)" in spoken(few)
    assert "people were copied" in advice(few)
    none = replace(audit, copied=replace(SEARCH, found=False, people="<5", images="<5"))
    assert "copied people: none found (in 1,000 images)" in spoken(none)


@pytest.mark.parametrize(("upper", "said"), [(0.57, "keep the margins of the profile agreement"), (0.61, "missing")])
def test_another_profile_is_named_only_where_all_figures_keep_its_margins(
    audit: AuditFigures, upper: float, said: str
) -> None:
    row = PrimaryRow(MEMBERSHIP, "membership_by_stack", 0.51, 0.48, upper, 0.55, "undecided", None)
    found = advice(replace(audit, verdict="inconclusive", primary=(row,)))
    assert found.startswith("do not pass the images on yet") and found.endswith(said)
    assert "do not pass the images on:" in advice(replace(audit, verdict="fail"))
