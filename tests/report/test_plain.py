"""Sentences about the figures of the verdict, in numbers that a person reads."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from unpersonal.audit.profiles import IN_WORDS
from unpersonal.report.plain import plain_figures, strange, sure

from .example import AUDITED, SUMMARY


def test_every_figure_has_a_sentence_and_no_jargon() -> None:
    found = {figure.key: figure for figure in plain_figures(AUDITED.figures.audit)}
    assert set(found) == {*IN_WORDS, "copied"}
    for figure in found.values():
        assert figure.sentence.endswith(".") and not re.search(r"[A-Z]{2,}|\d[eE]-\d|0\.\d", figure.sentence)
    assert "in truth in at most 55 of 100 (95.5 % sure)" in found["membership"].sentence
    assert "with a chance of 1 in 160,000" in found["isolated people"].sentence
    assert "no more often than about others; in truth by at most 11 of 1,000" in found["inference"].sentence


@pytest.mark.parametrize(
    ("values", "held", "said"),
    [
        ({}, "yes ✓", "None of 12 released images was found to copy a person."),
        ({"carried": False}, "not decided", "None of 12"),
        ({"found": True, "images": 9, "people": "<5", "dropped": None}, "no ✗", "copy fewer than 5 people"),
        ({"found": True, "images": 9, "people": 7, "dropped": 9}, "yes ✓", "were found (9) and taken out"),
    ],
)
def test_copied_people_are_told(values: dict[str, object], held: str, said: str) -> None:
    audit = AUDITED.figures.audit
    figure = plain_figures(replace(audit, copied=replace(audit.copied, **values)))[-1]
    assert figure.held == held and said in figure.sentence


def test_few_people_are_not_counted() -> None:
    audit = AUDITED.figures.audit
    few = replace(audit.primary[2], value=1 / audit.train_subjects)
    said = plain_figures(replace(audit, primary=(few,)))[0].sentence
    assert f"fewer than 5 of {audit.train_subjects:,} were singled out" in said


def test_how_many_copied_people_would_have_been_noticed() -> None:
    audit = AUDITED.figures.audit
    most = max(row.persons for row in audit.detectable.kinds if row.persons is not None)
    assert f"Copies of {most} " in plain_figures(audit)[-1].sentence
    none = replace(audit, detectable=replace(audit.detectable, kinds=()))
    assert "noticed" not in plain_figures(none)[-1].sentence


def test_a_figure_that_is_not_known_here_is_told_as_it_is_called() -> None:
    audit = AUDITED.figures.audit
    other = replace(audit.primary[0], name="something new")
    figure = plain_figures(replace(audit, primary=(other,)))[0]
    assert figure.name == "Something new" and "at most 55 of 100" in figure.sentence


def test_nothing_is_said_of_nothing_and_no_confidence_is_rounded_up() -> None:
    assert plain_figures(None) == () and strange(None) == ""
    assert sure(replace(SUMMARY.figures.audit, confidence=0.97599)) == "97.5 % sure"
    assert sure(replace(SUMMARY.figures.audit, confidence=None)) == "95 % sure"
