"""A sentence about every stage claims no more than was measured."""

from __future__ import annotations

from typing import Any

import pytest

from unpersonal.audit.profiles import MEMBERSHIP
from unpersonal.audit.rows import PrimaryRow
from unpersonal.judges.figures import MissFigures
from unpersonal.report.sentences import stage_sentences

from .example import SUMMARY, with_figures


def audit_sentence(**figures: Any) -> str:
    audit = {"advantage": 0.001, "policy_upper": 0.05, "weight": 2.21e-5, "confidence": 0.975, "reasons": ()}
    audit |= {"primary": (), **figures}
    return stage_sentences(with_figures(SUMMARY, "audit", **audit))["audit"]


@pytest.mark.parametrize(
    ("upper", "shown"), [(0.0092, "0.92 %"), (0.0104, "1.1 %"), (0.04999, "4.999 %"), (0.05, "5 %"), (0.03, "3 %")]
)
def test_a_bound_that_passed_is_claimed_in_the_words_that_are_allowed(upper: float, shown: str) -> None:
    assert audit_sentence(verdict="pass", advantage_upper=upper) == (
        "pass: no tested attacker isolated more training subjects than "
        f"{shown} (97.5 % upper bound; limit 5 %), at predicate weight <= 2.3e-05; what to do: nothing that was"
        " measured speaks against giving the images to anybody; read what the audit is blind to first"
    )


def test_the_other_primary_figures_stand_beside_their_margins() -> None:
    row = PrimaryRow(MEMBERSHIP, "membership_by_stack", 0.557, 0.51, 0.5771, 0.55, "undecided", None)
    found = audit_sentence(verdict="inconclusive", primary=(row,), reasons=("too few",))
    assert "; AUROC of membership: 0.557, at most 0.578 (margin 0.55); too few; what to do: do not pass" in found


@pytest.mark.parametrize("verdict", ["fail", "inconclusive"])
@pytest.mark.parametrize(
    ("upper", "shown"),
    [(0.001, ""), (0.05, ""), (0.0504, " (people isolated: 97.5 % upper bound 5.1 %, limit 5 %)")],
)
def test_nothing_is_claimed_of_an_audit_that_did_not_pass(verdict: str, upper: float, shown: str) -> None:
    found = audit_sentence(verdict=verdict, advantage_upper=upper, reasons=("membership shows",))
    assert found.startswith(
        f"{verdict}: nothing can be claimed of the release{shown}; membership shows; what to do: do"
    )
    none = audit_sentence(verdict=verdict, advantage=None, advantage_upper=1.0)
    assert none.startswith(f"{verdict}: nothing can be claimed of the release; what to do: ")


def test_no_upper_bound_is_rounded_down() -> None:
    people = MissFigures(subjects=287, missed=0, miss_rate=0.0, miss_rate_upper=0.0104)
    gate = {"miss_rate": 0.0, "miss_rate_upper": 0.0104, "protected": people, "false_flag_rate": 0.1, "strangers": 90}
    summary = with_figures(with_figures(SUMMARY, "gate", **gate), "utility", gap_upper=0.0501)
    said = stage_sentences(summary)
    assert said["judges"].startswith(
        "the gate missed a promised copy of 0 % of 287 train subjects (95 % upper bound 1.1 %) and took 10 % of "
        "90 strangers for somebody; it is blind to region 0.25, region 0.14, average-of-three, re-noised 0.2, re-noised"
        " 0.3; it was not tried on other-visit"
    )
    assert "(loss: 95 % upper bound 0.051)" in said["utility"]


def test_where_held_out_people_are_missed_more_often_the_sentence_is_about_them() -> None:
    worse = MissFigures(subjects=377, missed=9, miss_rate=0.023, miss_rate_upper=0.0411)
    gate = {"miss_rate": 0.023, "miss_rate_upper": 0.0411, "held_out": worse, "blind": (), "untried": ()}
    said = stage_sentences(with_figures(SUMMARY, "gate", **gate))["judges"]
    assert "a promised copy of 2.3 % of 377 held-out subjects (95 % upper bound 4.2 %)" in said
    assert "blind to region 0.25" in said and "not tried on other-visit" in said, "as the kinds themselves say"
