"""How an audit was made and tried, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unpersonal.audit.chain import GENESIS, AttemptFigures, link
from unpersonal.audit.chapters_of_trials import compared, trials
from unpersonal.audit.figures import AuditFigures, ControlFigures
from unpersonal.audit.reading import SideRead
from unpersonal.audit.resolution import Reading
from unpersonal.report.summary import Summary

CONTROL = ControlFigures(at_random="assumed", joined="<5", excluded=0, untold=True, held_out_p=0.25)
SIDE = SideRead(
    side="train",
    found=452,
    read=450,
    blank=0,
    refused=1,
    ignored=1,
    refused_by_reason={"unreadable": 1},
    refused_by_suffix={".png": 1},
    ignored_by_suffix={},
    edge=(64, 64, 64),
    views=450,
)


@pytest.fixture
def audit(demo_summary: Summary) -> AuditFigures:
    assert demo_summary.figures.audit is not None
    return demo_summary.figures.audit


def test_attempts_are_counted_with_what_was_left_of_alpha(audit: AuditFigures) -> None:
    begun = link("begun", "a" * 64, GENESIS)
    ended = link("ended", "a" * 64, begun.hash, "fail", {"membership_upper": 0.5771})
    found = AttemptFigures(attempts=2, identity="a" * 64, alpha=0.0025, seal="closed", ledger=(begun, ended))
    (attempts,) = (each for each in trials(replace(audit, attempts=found)) if each.title == "Attempts")
    said = " ".join(attempts.texts)
    assert "audited 2 times" in said and "err with 0.25 %" in said and "was not looked at" in said
    assert attempts.rows == (("1", "fail", "0.578"),)


def test_who_was_compared_and_in_what_form(audit: AuditFigures) -> None:
    reading = Reading(size=64, colour=False, one_shape=True, finer=0.5, coarser=0.0, sides=(SIDE,))
    people, pictures = compared(replace(audit, control=CONTROL, reading=reading))
    told = dict(people.rows)
    assert told["chance decided who trains"].startswith("assumed")
    assert told["people who share a picture with another and were joined"] == "<5"
    assert "0.250" in told.values() and any("too alike" in name for name in told)
    said = " ".join(pictures.texts)
    assert "64 × 64 pixels" in said and "50% of the pictures are finer" in said
    assert "train, refused by reason: 1 unreadable." in said
    assert pictures.rows == (("train", "452", "450", "1", "1", "0", "450"),)
    assert compared(replace(audit, control=None, reading=None)) == ()
