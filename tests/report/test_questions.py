"""A section for every question of the authorities; no figure of the audit is told nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from unpersonal.audit.chapters import chapters
from unpersonal.audit.figures import KindRow
from unpersonal.audit.stratum_rows import StratumRow
from unpersonal.release.figures import StudyFigures
from unpersonal.report import questions
from unpersonal.report.page import Element, Page, Section, render
from unpersonal.report.public import Public

from .example import AUDITED, EMPTY, SUMMARY, with_figures

NOWHERE = Path("nowhere")


def asked(figures: StudyFigures, public: Public | None = None) -> dict[str, Section]:
    """Every section about the audit, by its key."""
    public = public or Public()
    made = (
        questions.singling_out(figures, public),
        questions.linkability(NOWHERE, figures, public),
        questions.inference(figures, public),
        questions.worst_case(figures, public),
        questions.audit_itself(figures, public),
        questions.attempts(figures, public),
    )
    return {section.key: section for section in made}


def said(section: Section) -> str:
    return " ".join(each.text for each in section.elements if each.kind == "text")


def tables(section: Section) -> dict[str, Element]:
    return {each.text: each for each in section.elements if each.kind == "table"}


def test_every_chapter_of_the_audit_stands_in_one_section() -> None:
    found = asked(AUDITED.figures)
    titles = [each.text for section in found.values() for each in section.elements if each.kind == "heading"]
    assert AUDITED.figures.audit is not None
    told = [part.title for part in chapters(AUDITED.figures.audit) if part.title != questions.PLANTED]
    assert len(told) > 12 and sorted(titles) == sorted(told)


@pytest.mark.parametrize(
    ("key", "titles", "sentence"),
    [
        ("singling-out", {"Copied people", "Families of predicates"}, "singled out by one at least once"),
        ("linkability", {"Attacks on membership"}, "A coin is right in 50 of 100"),
        ("inference", {"Attacks on labels and properties"}, "guesses a label or another property"),
        ("worst-case", {"The worst case", "People isolated several times"}, "learnt training images by heart"),
        ("audit", {"Sham release", "Placebo", "Planted copies", "Primary figures"}, "The verdict is "),
        ("attempts", {"Attempts"}, "Whoever tries often passes once by chance"),
    ],
)
def test_each_question_has_its_figures_in_plain_words(key: str, titles: set[str], sentence: str) -> None:
    section = asked(AUDITED.figures)[key]
    assert titles <= {each.text for each in section.elements if each.kind == "heading"}
    assert sentence in said(section) and section.lead


def test_pictures_stand_where_the_figures_are() -> None:
    found = asked(AUDITED.figures)
    charts = {key: sum(each.kind == "chart" for each in section.elements) for key, section in found.items()}
    # curve and attacks; distances are in files of a study
    assert charts["linkability"] == 2
    assert charts["singling-out"] == charts["inference"] == charts["audit"] == 1


def test_without_an_audit_every_section_says_so() -> None:
    for key, section in asked(EMPTY.figures).items():
        assert not section.elements and "has not run" in section.missing, key


def test_where_no_label_was_attacked_that_is_said() -> None:
    found = with_figures(AUDITED, "audit", inference=(), primary=AUDITED.figures.audit.primary[:2]).figures
    assert "No attack on labels or properties was run" in said(asked(found)["inference"])


def test_it_is_said_where_held_out_people_may_be_known() -> None:
    assert "as far as is known" not in asked(SUMMARY.figures)["linkability"].lead


def test_the_section_about_the_audit_says_which_kinds_it_sees() -> None:
    rows = (
        KindRow("mirror", 40, 1.0, 0.928),
        KindRow("exact", 40, 0.99999, 0.8999),
        KindRow("their own", 40, 0.5, 0.4),
    )
    found = with_figures(SUMMARY, "audit", kinds=rows, blind=("their own",)).figures
    section = questions.audit_itself(found, Public())
    tables = {element.text: element for element in section.elements if element.kind == "table"}
    table = tables["Kinds of copies that the audit was tried on"]
    assert table.head == ("kind", "what it is", "found", "95 % lower bound", "copies", "overlooked")
    assert table.rows[0] == ("exact", "the picture itself", "0.999", "0.899", "40", "yes")
    assert [row[-1] for row in table.rows] == ["yes", "no", "yes"]
    said = " ".join(element.text for element in section.elements if element.kind == "text")
    assert "tried on 3 kinds of copies, each at one strength and no other: exact, mirror, their own." in said
    assert "It may overlook single copies of: the picture itself (exact); their own." in said
    without = with_figures(SUMMARY, "audit", kinds=None, blind=None, detectable=None, unlabelled=None).figures
    section = questions.audit_itself(without, Public())
    assert "blind" not in " ".join(element.text for element in section.elements)


def test_every_figure_of_the_audit_has_sentences_and_a_table_and_no_name_shows() -> None:
    strata = (StratumRow("people with the label IM-0042", 40, "<5", (), 122),)
    found = with_figures(SUMMARY, "audit", strata=strata).figures
    body = tuple(asked(found, Public(frozenset({"IM-0042"}))).values())
    titles = [element.text for section in body for element in section.elements if element.kind == "heading"]
    assert {"Primary figures", "The least leak that would have been found", "The worst case", "Placebo"} <= set(titles)
    html = render(Page("", "open", "", body))
    assert "IM-0042" not in html and "[withheld]" in html and "too few to measure" in html
    assert "{&#39;" not in html and "<h3>The worst case</h3>" in html
