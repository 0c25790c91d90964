"""What was not tested is said first, and nothing of it is left out."""

from __future__ import annotations

from dataclasses import replace

from unpersonal.audit.resolution import Reading
from unpersonal.diffusion.figures import StartFigures
from unpersonal.matching.kinds import KINDS, names
from unpersonal.report.gaps import gaps
from unpersonal.report.kinds import PLAIN, plain_kinds

from .example import AUDITED, SUMMARY, with_figures


def test_every_kind_of_copy_has_words() -> None:
    assert {kind.name for kind in KINDS} == set(PLAIN)
    assert plain_kinds(names()).count(";") == len(PLAIN) - 1
    assert plain_kinds(("rotation 15°", "rotation 20°", "theirs 3")) == "turned a little; theirs 3"


def test_what_audit_and_gate_do_not_see_is_told() -> None:
    said = " ".join(gaps(AUDITED.figures))
    assert "The audit may overlook single copies that are: turned a little." in said
    assert "Not tried: an attacker who has the trained model, and not the images alone." in said
    assert "Too few to measure apart: people with the label virus <b>." in said
    assert "The gate may let through copies that are: a small piece in another picture" in said
    assert "The gate was not tried on copies that are: another picture of the same person." in said
    assert said.endswith("What is said here holds for those that were tried, and is no proof.")


def test_attacks_on_what_is_not_released_are_no_gap() -> None:
    note = "the attack membership-by-probabilities is not applicable: no class probabilities are given"
    assert "Not tried" not in " ".join(gaps(with_figures(AUDITED, "audit", notes=(note,)).figures))
    reason = "the attack membership-by-density was left out, so nothing is known of it"
    lost = with_figures(AUDITED, "audit", reasons=(reason,), verdict="inconclusive")
    assert "the attack membership by density" in " ".join(gaps(lost.figures))


def test_finer_detail_and_unknown_origins_are_told() -> None:
    finer = with_figures(AUDITED, "audit", reading=Reading(size=32, colour=False, finer=0.5)).figures
    assert any("Detail finer than 32 × 32 pixels" in text for text in gaps(finer))
    start = StartFigures(source="x", sha256="ab" * 32, share=0.9, note="n", known_people=False)
    assert any(
        "Whose images the model was trained on" in t
        for t in gaps(with_figures(SUMMARY, "diffusion", start=start).figures)
    )


def test_what_has_not_run_is_a_gap() -> None:
    figures = replace(AUDITED.figures, gate=None, utility=None)
    said = " ".join(gaps(figures))
    assert "No gate was tried" in said and "Of what use the images are: that was not measured." in said
    unplayed = with_figures(AUDITED, "audit", primary=(), advantage=None, verdict="inconclusive").figures
    assert gaps(unplayed)[0].startswith("No attack could be run")
