"""report.html: what a data-protection officer reads. No real image, no person's name, nothing loaded from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..core.files import write_text
from ..core.numbers import without_powers
from ..release.names import private_names, withhold
from ..release.published import as_released
from ..release.sign_off import sign_off_statement
from ..synthesis.selected import load_released
from . import making, questions, sections
from .answer import also, answer, not_tested, why
from .glossary import explained, glossary
from .page import Element, Page, Section, folded, render
from .public import Public
from .reasons import plain_reason
from .summary import Summary

TITLE = "May these synthetic images be given out?"
UNNAMED = "a check of the finished files objected (its words name a file and are in the log)"
"""A reason that named a file was withheld; that there was one must still be seen."""


def build_report(study: Path, summary: Summary) -> Path:
    """Write `study/report.html` from the figures and the files of the stages; returns its path.

    Works with whatever is there; a section whose stage did not run says so. Only aggregates of the figures are shown:
    keys that may name a person or a file are dropped, counts under five are masked, and a text that holds a subject or
    a file name of the cohort is withheld.
    """
    names = private_names(study)
    if summary.outcome.released:
        summary = replace(summary, figures=as_released(summary.figures, load_released(study).labels))
    page = withhold_page(page_of(study, summary, Public(names)), names)
    path = study / "report.html"
    write_text(path, render(explained(_without_powers(page))))
    return path


def page_of(study: Path, summary: Summary, public: Public) -> Page:
    """The page before the last look at its words."""
    figures, outcome = summary.figures, summary.outcome
    reasons = tuple(reason or UNNAMED for reason in public.texts(outcome.reasons))
    shortfalls = tuple(text for text in public.texts(outcome.shortfalls or ()) if text)
    found = answer(summary, reasons)
    known = also(figures, shortfalls)
    body = (
        questions.singling_out(figures, public),
        questions.linkability(study, figures, public),
        questions.inference(figures, public),
        questions.worst_case(figures, public),
        questions.audit_itself(figures, public),
        sections.gate(figures, public),
        making.judges(study),
        sections.samples(study, released=outcome.released and not reasons),
        sections.utility(figures, public),
        sections.metrics(figures, public),
        sections.codec(figures),
        making.training(study, figures, public),
        making.synthesis(figures, public),
        sections.cohort(figures, public),
        questions.attempts(figures, public),
        sections.seconds(summary.seconds),
    )
    return Page(
        TITLE,
        found.banner,
        found.headline,
        (*(folded(section) for section in body), glossary()),
        reasons=tuple(map(plain_reason, reasons)),
        remarks=(*found.said, *((sign_off_statement(None),) if found.banner == "good" and not figures.signed else ())),
        blocks=(why(figures), not_tested(figures), *((known,) if known.elements else ())),
    )


def withhold_page(page: Page, names: frozenset[str]) -> Page:
    """The page with every text checked once more, after all files of the stages were read."""
    return replace(
        page,
        sections=tuple(_withhold_section(section, names) for section in page.sections),
        blocks=tuple(_withhold_section(section, names) for section in page.blocks),
        reasons=tuple(withhold(page.reasons, names)),
        remarks=tuple(withhold(page.remarks, names)),
    )


def _withhold_section(section: Section, names: frozenset[str]) -> Section:
    return replace(section, elements=tuple(_withhold_element(element, names) for element in section.elements))


def _withhold_element(element: Element, names: frozenset[str]) -> Element:
    return replace(
        element,
        text=withhold(element.text, names),
        alt=withhold(element.alt, names),
        head=tuple(withhold(element.head, names)),
        rows=tuple(tuple(withhold(row, names)) for row in element.rows),
        # a chart's legend holds names from files; a picture holds pixels only
        content=withhold_markup(element.content, names) if element.kind == "chart" else element.content,
    )


def withhold_markup(markup: str, names: frozenset[str]) -> str:
    """A chart, or nothing where any of its words is one of `names`."""
    return "" if names and withhold(markup, names) != markup else markup


def _without_powers(page: Page) -> Page:
    """The page without any number that has a power of ten, whoever wrote its words."""

    def cleaned(section: Section) -> Section:
        return replace(section, elements=tuple(_plain_element(element) for element in section.elements))

    return replace(
        page,
        sections=tuple(map(cleaned, page.sections)),
        blocks=tuple(map(cleaned, page.blocks)),
        reasons=tuple(map(without_powers, page.reasons)),
        remarks=tuple(map(without_powers, page.remarks)),
    )


def _plain_element(element: Element) -> Element:
    rows = tuple(tuple(map(without_powers, row)) for row in element.rows)
    return replace(element, text=without_powers(element.text), rows=rows)
