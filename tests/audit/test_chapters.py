"""What a person reads of an audit: every figure in sentences and tables, and nothing that tells of single people."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from unpersonal.audit.canary_figures import CanaryFigures
from unpersonal.audit.chapter import Chapter
from unpersonal.audit.chapters import chapters, findings
from unpersonal.audit.copied_figures import Copied, MatcherFinding, RepeatFigures
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.formal import FormalFigures
from unpersonal.audit.stratum_rows import StratumFigure, StratumRow
from unpersonal.report.summary import Summary

SEARCH = Copied(
    found=True,
    images=7,
    people=5,
    identical="<5",
    released=1000,
    level=0.05,
    matchers=(MatcherFinding(matcher="parts", images=7, known=90, closeness=1.5, margin=0.5),),
    carried=True,
    control_images="<5",
    repeats=RepeatFigures(images=12, clusters=2, largest=8, likeness=0.97, strangers=90),
    dropped=7,
)
FIGURE = StratumFigure("membership", "membership_by_stack", 0.7, None, 0.6201, 0.7801, 0.6, "above")


@pytest.fixture
def audit(demo_summary: Summary) -> AuditFigures:
    assert demo_summary.figures.audit is not None
    return demo_summary.figures.audit


def chapter(figures: AuditFigures, title: str) -> Chapter:
    (found,) = (each for each in chapters(figures) if each.title == title)
    return found


def test_copied_people_are_told_by_matcher(audit: AuditFigures) -> None:
    found = chapter(replace(audit, copied=SEARCH), "Copied people")
    said = " ".join(found.texts)
    assert "Of 1,000 released images, 7 copy 5 people; fewer than five are images of theirs" in said
    assert "7 images were taken out of the release" in said and "12 released images repeat another one" in said
    assert found.rows == (("parts", "7", "1.500", "0.500", "90"),)
    nobody = replace(SEARCH, found=False, images="<5", people="<5", dropped="<5", carried=False)
    said = " ".join(chapter(replace(audit, copied=nobody), "Copied people").texts)
    assert "None of 1,000 released images was found to copy anybody." in said and "could go unseen" in said
    assert "taken out" not in said


def test_the_least_leak_names_blind_kinds(audit: AuditFigures) -> None:
    assert audit.detectable is not None
    row = replace(audit.detectable.kinds[0], kind="mirror", persons=None, images=None)
    found = chapter(
        replace(audit, detectable=replace(audit.detectable, kinds=(row,), blind=("mirror",))),
        "The least leak that would have been found",
    )
    assert "The audit is blind to: mirrored (mirror)." in found.texts and found.rows[0][-2:] == (
        "blind",
        "more than tried",
    )
    assert (
        "The audit is blind to no kind that was planted."
        in chapter(audit, "The least leak that would have been found").texts
    )


def test_bounds_of_a_group_are_rounded_to_the_worse_side(audit: AuditFigures) -> None:
    rows = (StratumRow("outliers", 95, 75, (FIGURE,), 122), StratumRow("few", 3, "<5", (), 122))
    found = chapter(replace(audit, strata=rows), "The worst case")
    assert found.rows[0][1] == "95, 75" and found.rows[0][5:9] == ("0.620", "0.781", "0.6", "above the margin")
    assert found.rows[1][:3] == ("few", "<5, <5", "too few to measure")


def test_canaries_and_what_is_proved(audit: AuditFigures) -> None:
    canaries = CanaryFigures(
        canaries=100, guesses=40, right=38, auroc=0.9, epsilon_lower=1.2345, delta=1e-5, confidence=0.95
    )
    formal = FormalFigures(epsilon=2.0, delta=1e-6, subjects=1000, weight=1e-5, bound=0.0749)
    figures = replace(audit, canaries=canaries, formal=formal)
    assert ("ε at least (one-sided 95.0% bound)", "1.234") in chapter(figures, "Canaries").rows
    assert chapter(figures, "What is proved").rows[-1][1] == "0.0749"
    empty = replace(figures, formal=replace(formal, bound=1.0))
    assert "It says nothing." in chapter(empty, "What is proved").texts
    titles = [each.title for each in chapters(audit)]
    assert "Canaries" not in titles and "What is proved" not in titles


def test_people_without_labels_have_chapters_of_their_own(audit: AuditFigures) -> None:
    assert audit.primary is not None
    from unpersonal.audit.figures import UnlabelledFigures

    apart = UnlabelledFigures(verdict="fail", train_subjects="<5", primary=audit.primary)
    made = {each.title: each for each in findings(replace(audit, unlabelled=apart))}
    assert "<5 train people have no labels and were audited apart: fail." in made["People without labels"].texts
    assert made["Primary figures: people without labels"].rows == made["Primary figures"].rows


def test_every_row_is_as_wide_as_its_head_and_every_key_is_a_figure(audit: AuditFigures) -> None:
    figures = replace(audit, copied=SEARCH, strata=(StratumRow("few", 3, "<5", (), 122),))
    told = chapters(figures)
    assert all(len(row) == len(each.head) for each in told for row in each.rows)
    assert all(each.texts for each in told)
    keys = [key for each in told for key in each.keys]
    assert set(keys) <= {field.name for field in fields(AuditFigures)} and len(set(keys)) == len(keys)
