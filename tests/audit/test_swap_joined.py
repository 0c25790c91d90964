"""What of two games is told as one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unpersonal.audit.config import AuditConfig
from unpersonal.audit.copied_figures import Copied, RepeatFigures
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.notes import too_few
from unpersonal.audit.profiles import PROFILES
from unpersonal.audit.swap_joined import _notes, _worse_copied, _worse_detectable
from unpersonal.report.summary import Summary

SEARCH = Copied(
    found=False,
    images="<5",
    people="<5",
    identical="<5",
    released=100,
    level=0.05,
    matchers=(),
    carried=True,
    control_images="<5",
    repeats=RepeatFigures(images=0, clusters=0, largest=0, likeness=0.97, strangers=90),
)


@pytest.fixture
def audit(demo_summary: Summary) -> AuditFigures:
    assert demo_summary.figures.audit is not None
    return demo_summary.figures.audit


@pytest.mark.parametrize("turned", [False, True])
def test_copies_in_either_release_are_told(audit: AuditFigures, turned: bool) -> None:
    games = replace(audit, copied=SEARCH), replace(audit, copied=replace(SEARCH, found=True, images=7, people=5))
    assert _worse_copied(games[::-1] if turned else games) == games[1].copied
    unsure = replace(audit, copied=replace(SEARCH, carried=False))
    assert _worse_copied((games[0], unsure) if turned else (unsure, games[0])) == unsure.copied


@pytest.mark.parametrize("turned", [False, True])
def test_a_kind_to_which_either_game_is_blind_is_blind(audit: AuditFigures, turned: bool) -> None:
    assert audit.detectable is not None
    first, *others = audit.detectable.kinds
    blind = replace(first, seen=0.0, seen_lower=0.0, persons=None, images=None)
    rows = tuple(replace(row, seen_lower=0.9, persons=2) for row in (first, *others))
    one = replace(audit, detectable=replace(audit.detectable, kinds=rows, blind=(), persons=2))
    other = replace(
        audit, detectable=replace(audit.detectable, kinds=(blind, *rows[1:]), blind=(first.kind,), persons=None)
    )
    found = _worse_detectable((other, one) if turned else (one, other))
    assert found.blind == (first.kind,) and found.persons is None
    assert {row.kind: row.persons for row in found.kinds} == {row.kind: 2 for row in rows} | {first.kind: None}


def test_whether_people_are_too_few_is_said_of_both_halves_together(audit: AuditFigures) -> None:
    profile, config = PROFILES["open"], AuditConfig()
    games = tuple(replace(audit, notes=(*too_few(40, profile, 0.95), "other")) for _ in range(2))
    assert _notes((games[0], games[1]), 80, profile, config) == ["other"]
    assert _notes((games[0], games[1]), 40, profile, config)[0].startswith("40 train people")
