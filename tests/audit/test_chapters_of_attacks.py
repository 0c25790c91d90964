"""What every single attack reached, in tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unpersonal.audit.chapters_of_attacks import attacks
from unpersonal.audit.figures import AttackTest, AuditFigures, Tails, UnlabelledFigures
from unpersonal.audit.rows import InferenceRow, IsolationRow, MembershipRow, TopRow
from unpersonal.audit.swap_figures import SwapFigures, SwapMembership
from unpersonal.report.summary import Summary

TOP = TopRow(predicates=1, success=0.0, success_lower=0.0, success_upper=0.98, success_control=0.0)
TAILS = Tails({"10": "<5", "1": 7}, {"1": "<5", "10": "<5"}, 2.5, 1.0)


@pytest.fixture
def audit(demo_summary: Summary) -> AuditFigures:
    assert demo_summary.figures.audit is not None
    return demo_summary.figures.audit


def test_each_family_has_a_table_with_bounds_on_the_worse_side(audit: AuditFigures) -> None:
    swap = SwapFigures(
        people=90,
        first_people=45,
        second_people=45,
        first_released=40,
        second_released=40,
        first_verdict="pass",
        second_verdict="inconclusive",
        membership=(SwapMembership("membership_by_stack", 0.5, 0.5511, 0.45, 0.6, 0.01, 0.03, 0.0),),
    )
    figures = replace(
        audit,
        tests=(AttackTest("theirs", 0.1, 0.01, 0.02),),
        membership=(MembershipRow("membership_by_stack", 0.51, 0.4811, 0.5401, 0.01, 0.0, 0.0201, 1.0),),
        isolation=(IsolationRow("isolation_labels", 1e-5, 50, 0.01, 0.0201, 0.0, -0.001, (TOP,)),),
        inference=(InferenceRow("inference_label", 0.7, 0.69, 0.01, -0.02, 0.0401),),
        tails=TAILS,
        swap=swap,
    )
    found = {each.title: each for each in attacks(figures)}
    assert found["Attacks on membership"].rows[0][:4] == ("membership by stack", "0.510", "0.481", "0.541")
    assert found["Families of predicates"].rows[0][3:6] == ("0.010", "0.021", "0.000")
    assert found["The surest predicates"].rows == (("isolation labels", "1", "0.000", "0.000", "0.980", "0.000"),)
    assert found["Attacks on labels and properties"].rows[0][-1] == "0.041"
    assert found["People isolated several times"].rows == (("1 or more", "7", "<5"), ("10 or more", "<5", "<5"))
    assert found["Single statistics"].rows == (("theirs", "0.1", "0.0100", "0.0200"),)
    assert found["Swap of two generators"].rows[0][3] == "0.552"
    assert "second: inconclusive" in " ".join(found["Swap of two generators"].texts)


def test_what_did_not_run_has_no_table(audit: AuditFigures) -> None:
    nothing = dict.fromkeys(("membership", "isolation", "inference", "tails", "swap"))
    assert attacks(replace(audit, tests=(), **nothing)) == ()


def test_people_without_labels_have_tables_of_their_own(audit: AuditFigures) -> None:
    rows = (MembershipRow("membership_by_stack", 0.61, 0.4811, 0.7401, 0.01, 0.0, 0.0201, 1.0),)
    families = (IsolationRow("isolation_labels", 1e-5, 50, 0.01, 0.0201, 0.0, -0.001, (TOP,)),)
    apart = UnlabelledFigures(verdict="fail", train_subjects=30, membership=rows, isolation=families)
    found = {each.title: each for each in attacks(replace(audit, unlabelled=apart))}
    assert found["Attacks on membership: people without labels"].rows[0][1] == "0.610"
    assert found["The surest predicates: people without labels"].rows[0][0] == "isolation labels"
    assert "Attacks on labels and properties: people without labels" not in found
    assert all(each.keys == () for title, each in found.items() if title.endswith("without labels"))
