"""report.html: what a data-protection officer reads. No real image, no person's name, nothing loaded from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..core.files import write_text
from ..release.attempted import attempts_statement
from ..release.blind import unseen
from ..release.card import audit_blind_statement, audit_statement, blind_statement, gate_statement, remarks
from ..release.names import private_names, withhold
from ..release.published import as_released
from ..synthesis.selected import load_released
from . import sections
from .page import Element, Page, render, shown
from .public import Public
from .summary import Summary

PLAIN_REASONS = {
    "audit.verdict": "The audit did not pass",
    "audit.advantage_upper": "An attacker may single out too many training subjects",
    "gate.miss_rate_upper": "The gate may miss too many copies of real people",
    "utility.gap_upper": "A classifier trained on the synthetic images may lose too much",
    "synthesis.released": "No image passed the gate",
    "gate.false_flag_rate": "The gate's rate of false alarms",
    "diffusion.denoiser_memorised": "The model that draws learnt images of real people by heart, or was not watched",
    "diffusion.guide_memorised": (
        "The guide of the model that draws learnt images of real people by heart, or was not watched"
    ),
    "diffusion.denoiser_match_power": "Whether the model gives out images of real people would not have been noticed",
    "diffusion.denoiser_match_rate_lower": "Too many samples of the model are like real people",
    "diffusion.horizontal_flip": "The model that draws may give out people mirrored, and the gate would not see it",
    "gate.blind": "The gate does not find copies of people that it must find",
    "gate.untried": "Nobody tried whether the gate finds copies of people that it must find",
    "gate.kinds does": "The gate's miss rate is not that of the copies that it must find",
    "gate.kinds": "Nobody tried which copies of people the gate finds",
    "gate.protected": "What the gate misses is not told as it was measured",
    "gate.held_out": "What the gate misses is not told as it was measured",
    "gate.matchers": "The gate lacks a part that it should have",
    "gate.plugins": "A part of the gate comes from another package, and nobody here vouches for it",
}
"""What the name of a figure means to a reader who does not know it."""


def plain_reason(reason: str) -> str:
    """A policy reason with its meaning in front of the figure."""
    for name, meaning in PLAIN_REASONS.items():
        if reason.startswith(name):
            return f"{meaning}: {reason}"
    return reason


def verdict(summary: Summary, public: Public) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """(banner, headline, reasons, remarks) of the page."""
    outcome, figures = summary.outcome, summary.figures
    # a reason that named a file was withheld; that there was one must still be seen
    unnamed = "a check of the finished files objected (its words name a file and are in the log)"
    reasons = tuple(plain_reason(reason or unnamed) for reason in public.texts(outcome.reasons))
    shortfalls = public.texts(outcome.shortfalls or ())
    notes = (*(f"Shortfall, not a reason to refuse: {text}" for text in shortfalls), *remarks(figures))
    if outcome.released and not reasons:
        headline = f"Released: {shown(outcome.images)} synthetic images. Every rule of the policy held."
        seen = (gate_statement(figures.gate), blind_statement(unseen(figures.gate)))
        audit = (audit_statement(figures.audit), attempts_statement(figures.audit))
        said = (*audit, *seen, audit_blind_statement(figures.audit))
        return "good", headline, (), (*(text for text in said if text), *notes)
    careful = "Treat the synthetic images on this page as confidential until the reasons are removed."
    if reasons:
        return "bad", "Refused: nothing was released.", reasons, (careful, *notes)
    return "open", "Not released: the study has not come to its end.", (), (careful, *notes)


def build_report(study: Path, summary: Summary) -> Path:
    """Write `study/report.html` from the figures and the files of the stages; returns its path.

    Works with whatever is there; a section whose stage did not run says so. Only aggregates of the figures are shown:
    keys that may name a person or a file are dropped, and a text that holds a subject or a file name of the cohort is
    withheld.
    """
    names = private_names(study)
    if summary.outcome.released:
        summary = replace(summary, figures=as_released(summary.figures, load_released(study).labels))
    public, figures = Public(names), summary.figures
    banner, headline, reasons, notes = verdict(summary, public)
    body = (
        sections.samples(study),
        sections.audit(study, figures, public),
        sections.gate(figures, public),
        sections.utility(figures, public),
        sections.codec(figures),
        sections.metrics(figures, public),
        sections.synthesis(figures, public),
        sections.judges(study),
        sections.training(study, figures, public),
        sections.cohort(figures, public),
        sections.seconds(summary.seconds),
    )
    path = study / "report.html"
    page = Page("Synthetic images: release report", banner, headline, body, reasons, notes)
    write_text(path, render(withhold_page(page, names)))
    return path


def withhold_page(page: Page, names: frozenset[str]) -> Page:
    """The page with every text checked once more, after all files of the stages were read."""
    return replace(
        page,
        sections=tuple(
            replace(section, elements=tuple(_withhold_element(element, names) for element in section.elements))
            for section in page.sections
        ),
        reasons=tuple(withhold(page.reasons, names)),
        remarks=tuple(withhold(page.remarks, names)),
    )


def _withhold_element(element: Element, names: frozenset[str]) -> Element:
    return replace(
        element,
        text=withhold(element.text, names),
        head=tuple(withhold(element.head, names)),
        rows=tuple(tuple(withhold(row, names)) for row in element.rows),
        # a chart's legend holds names from files; a picture holds pixels only
        content=withhold_markup(element.content, names) if element.kind == "chart" else element.content,
    )


def withhold_markup(markup: str, names: frozenset[str]) -> str:
    """A chart, or nothing where any of its words is one of `names`."""
    return "" if names and withhold(markup, names) != markup else markup
