"""The first screen says of every state of a study whether the images may go out, and never more than that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.swap_figures import SwapFigures
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.sign_off import unsigned_reason
from unpersonal.report.answer import Answer, also, answer, not_tested, why
from unpersonal.report.reasons import plain_reason
from unpersonal.report.summary import Outcome, Summary

from .example import AUDITED, EMPTY, SUMMARY, with_figures

UTILITY = "utility.gap_upper = 0.2 is above the limit 0.05"
GATE = "gate.miss_rate_upper = 0.03 is above the limit 0.01"
MODEL = "diffusion.denoiser_memorised is True; it must be False"
VERDICT = "audit.verdict is 'fail'; it must be 'pass'"


def state(summary: Summary, *reasons: str, released: bool = False, **audit: Any) -> Answer:
    """The answer of a study with other figures of its audit, which the policy refused for these reasons."""
    summary = with_figures(summary, "audit", **audit) if audit else summary
    outcome = summary.outcome if released else Outcome(released=False, reasons=reasons)
    return answer(replace(summary, outcome=outcome), reasons)


@pytest.mark.parametrize(
    ("profile", "headline", "to_whom"),
    [
        ("open", "Yes, to anybody.", "may be given to anybody"),
        ("agreement", "Yes, to recipients who sign the card's terms.", "and for nobody else"),
        ("of another package", "Yes, as far as the dataset card says.", ""),
    ],
)
def test_a_release_may_go_to_whom_its_profile_names(profile: str, headline: str, to_whom: str) -> None:
    found = state(AUDITED, released=True, profile=profile)
    assert (found.banner, found.headline) == ("good", headline)
    assert "Released: 12 synthetic images. Every rule of the policy held." in found.said
    assert to_whom in " ".join(found.said)


def test_limits_that_are_not_those_of_the_profile_are_told() -> None:
    rows = AUDITED.figures.audit.primary
    wider = (replace(rows[0], margin=0.7), *rows[1:])
    said = " ".join(state(AUDITED, released=True, primary=wider).said)
    assert "Limits that somebody set in place of the profile's: Telling who was used" in said and "70 of 100" in said
    assert "somebody set" not in " ".join(state(AUDITED, released=True).said)


@pytest.mark.parametrize(
    ("reasons", "audit", "headline"),
    [
        ((UTILITY,), {}, "No: the audit passed, but the images may be of too little use."),
        ((GATE,), {}, "No: the audit passed, but the gate may let copies of people through."),
        ((MODEL,), {}, "No: the audit passed, but the model that draws may know people by heart."),
        ((GATE, UTILITY), {}, "the gate may let copies of people through and the images may be of too little use."),
        (("something else",), {}, "No: the audit passed, but a rule of the policy does not hold."),
        ((VERDICT, UTILITY), {"verdict": "fail"}, "No: the audit found that the images give people away."),
        ((VERDICT,), {"verdict": "inconclusive"}, "Not yet: the audit could not decide."),
        ((VERDICT,), {"verdict": "inconclusive", "profile": "internal"}, "No: they stay in the building"),
        (
            (VERDICT,),
            {"verdict": "inconclusive", "primary": None, "advantage": None},
            "Not yet: there are too few people or images for an audit.",
        ),
    ],
)
def test_a_refusal_says_what_stands_against_it(reasons: tuple[str, ...], audit: dict[str, Any], headline: str) -> None:
    found = state(AUDITED, *reasons, **audit)
    assert found.banner == "bad" and headline in found.headline
    assert found.said[0] == "Refused: nothing was released." and "confidential" in found.said[-1]
    advised = any("o not pass the images on" in text for text in found.said)
    assert advised == ("verdict" in audit)


def test_copied_people_are_named_as_what_they_are() -> None:
    copied = replace(AUDITED.figures.audit.copied, found=True, images=9, people=7, dropped=None)
    found = state(AUDITED, VERDICT, verdict="fail", copied=copied)
    assert found.headline == "No: the release shows copies of real people."
    assert "people were copied" in " ".join(found.said)


def test_a_refused_study_that_nobody_audited() -> None:
    summary = replace(AUDITED, figures=replace(AUDITED.figures, audit=None))
    assert state(summary, "audit.verdict is None").headline == "No: nobody audited the images."


def test_reasons_beat_the_word_released() -> None:
    found = answer(AUDITED, (UTILITY,))
    assert AUDITED.outcome.released and found.banner == "bad" and "Yes" not in found.headline


def test_a_study_that_has_not_come_to_its_end_says_what_is_left() -> None:
    found = state(EMPTY)
    assert (found.banner, found.headline) == ("open", "Not decided: nobody has audited the images yet.")
    assert "Not released: the study has not come to its end." in found.said
    assert "What has not been done: reading the images, compressing them" in found.said[1]
    some = replace(AUDITED, figures=replace(AUDITED.figures, utility=None))
    found = state(some)
    assert found.headline == "Not decided: the audit passed, and the rest is not done."
    assert "What has not been done: the test of use." in found.said
    assert state(AUDITED, verdict="fail").banner == "bad"
    assert state(AUDITED, verdict="inconclusive").headline.startswith("Not yet")


def test_why_holds_each_figure_against_its_limit() -> None:
    section = why(AUDITED.figures)
    (table,) = (each for each in section.elements if each.kind == "table")
    assert [row[1:] for row in table.rows] == [
        ("55 of 100", "60 of 100", "yes ✓"),
        ("2 of 100", "6 of 100", "yes ✓"),
        ("3 of 1,000", "100 of 1,000", "yes ✓"),
        ("6 of 100", "20 of 100", "yes ✓"),
        ("11 of 1,000", "150 of 1,000", "yes ✓"),
        ("none found", "none", "yes ✓"),
    ]
    said = " ".join(each.text for each in section.elements)
    assert "“At most”: 95.5 % sure" in said and "a gate compared" in said and "Use: shown a picture" in said
    rows = AUDITED.figures.audit.primary
    bad = (replace(rows[0], upper=0.7, outcome="undecided"), replace(rows[1], lower=0.5, upper=0.6, outcome="above"))
    (table,) = (e for e in why(with_figures(AUDITED, "audit", primary=bad).figures).elements if e.kind == "table")
    assert [row[1:] for row in table.rows[:2]] == [
        ("70 of 100", "60 of 100", "not decided"),
        ("60 of 100", "6 of 100", "no ✗"),
    ]


def test_two_generators_are_told_as_a_procedure() -> None:
    swap = SwapFigures(200, 100, 100, 40, 40, "pass", "pass", ())
    said = " ".join(e.text for e in why(with_figures(AUDITED, "audit", swap=swap).figures).elements)
    assert "What was attacked is the procedure" in said and "procedure" not in str(why(AUDITED.figures))


def test_without_figures_the_first_screen_says_so() -> None:
    assert why(StudyFigures()).elements == () and "Nothing was measured" in why(StudyFigures()).missing
    assert also(StudyFigures(), ()).elements == ()
    (gaps,) = not_tested(StudyFigures()).elements
    assert gaps.rows[0] == ("Nobody audited the images: no attack was tried on them.",)


def test_what_else_to_know_is_in_words() -> None:
    shortfalls = (
        "policy.profile = agreement: margins for recipients, wider than those of open",
        "policy.may_be_blind lets the gate be blind to more than the default does: rotation 15°, rotation 20°",
        "policy.gate_miss_upper = 0.02 is looser than the default 0.01",
        "gate.false_flag_rate = 0.31 is above the budget 0.2",
    )
    (element,) = also(AUDITED.figures, shortfalls).elements
    told = [row[0] for row in element.rows]
    assert told[0].startswith("These people were audited once.")
    assert told[1].endswith("blind to more than usual: turned a little (rotation 15°, rotation 20°).")
    assert told[2] == f"A limit is looser than usual: {shortfalls[2]}."
    assert told[3].startswith("Shortfall, not a reason to refuse: The gate's rate of false alarms")
    assert len(told) == 4


def test_an_old_audit_has_its_one_bound() -> None:
    (table,) = (e for e in why(with_figures(SUMMARY, "audit", primary=None).figures).elements if e.kind == "table")
    assert table.rows == (("Singling out a person", "3 of 100", "5 of 100", "yes ✓"),)
    old = AuditFigures(
        verdict="pass",
        reasons=(),
        notes=(),
        advantage=0.1,
        advantage_upper=0.2,
        policy_upper=0.05,
        profile="open",
        tests=(),
    )
    (table,) = (e for e in why(StudyFigures(audit=old)).elements if e.kind == "table")
    assert table.rows[0][-1] == "not decided"


def test_a_release_that_waits_for_a_sign_off_is_no_refusal() -> None:
    waits = unsigned_reason(PolicyConfig(sign_off=True), None)
    found = state(AUDITED, *waits)
    assert found.banner == "open" and found.headline == "Not yet: nobody has signed off these images."
    assert state(AUDITED, *waits, UTILITY).banner == "bad"
    assert plain_reason(waits[0]).startswith("A person must sign off first: policy.sign_off is true")
