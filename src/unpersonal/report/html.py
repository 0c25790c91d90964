"""report.html: what a data-protection officer reads. No real image, no person's name, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.files import write_text
from ..release.card import audit_statement, start_statement
from ..release.evidence import aggregates_only
from ..release.names import private_names, withhold
from ..release.pretrained import pretrained_statements
from . import sections
from .page import Page, render

PLAIN_REASONS = {
    "audit.verdict": "The audit did not pass",
    "audit.advantage_upper": "An attacker may find training subjects too much more often than others",
    "gate.miss_rate_upper": "The gate may miss too many copies of real people",
    "utility.gap_upper": "A classifier trained on the synthetic images may lose too much",
    "synthesis.released": "No image passed the gate",
    "gate.false_flag_rate": "The gate's rate of false alarms",
    "diffusion.denoiser_memorised": "The model that draws learnt images of real people by heart, or was not watched",
    "diffusion.guide_memorised": (
        "The guide of the model that draws learnt images of real people by heart, or was not watched"
    ),
    "diffusion.horizontal_flip": "The model that draws may give out people mirrored",
}
"""What the name of a figure means to a reader who does not know it."""


def plain_reason(reason: str) -> str:
    """A policy reason with its meaning in front of the figure."""
    for name, meaning in PLAIN_REASONS.items():
        if reason.startswith(name):
            return f"{meaning}: {reason}"
    return reason


def verdict(summary: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """(banner, headline, reasons, remarks) from `summary["release"]` = `{released: bool, reasons: [...], ...}`."""
    release = sections.part(summary, "release")
    # a reason that named a file was withheld; that there was one must still be seen
    unnamed = "a check of the finished files objected (its words name a file and are in the log)"
    reasons = tuple(plain_reason(str(reason or unnamed)) for reason in release.get("reasons") or [])
    remarks = tuple(f"Shortfall, not a reason to refuse: {text}" for text in release.get("shortfalls") or [])
    remarks += tuple(text for text in (start_statement(summary), *pretrained_statements(summary)) if text)
    audit = sections.part(summary, "audit")
    if release.get("released") is True and not reasons:
        count = sections.part(summary, "synthesis").get("released", release.get("images"))
        headline = f"Released: {sections.shown(count)} synthetic images. Every rule of the policy held."
        return "good", headline, (), (audit_statement(audit), *remarks)
    careful = "Treat the synthetic images on this page as confidential until the reasons are removed."
    if reasons:
        return "bad", "Refused: nothing was released.", reasons, (careful, *remarks)
    return "open", "Not released: the study has not come to its end.", (), (careful, *remarks)


def build_report(study: Path, summary: Mapping[str, Any]) -> Path:
    """Write `study/report.html` from summary.json's contents and the files of the stages; returns its path.

    Works with whatever is there; a section whose stage did not run says so. Only aggregates of `summary` are shown:
    keys that may name a person or a file are dropped, and a text that holds a subject or a file name of the cohort is
    withheld.
    """
    names = private_names(study)
    figures: dict[str, Any] = withhold(aggregates_only(summary), names)
    banner, headline, reasons, remarks = verdict(figures)
    body = (
        sections.samples(study),
        sections.audit(study, figures),
        sections.gate(figures),
        sections.utility(figures),
        sections.codec(figures),
        sections.metrics(figures),
        sections.synthesis(figures),
        sections.judges(study),
        sections.training(study, figures),
        sections.cohort(figures),
        sections.seconds(figures),
    )
    path = study / "report.html"
    page = Page("Synthetic images: release report", banner, headline, body, reasons, remarks)
    write_text(path, render(withhold_page(page, names)))
    return path


def withhold_page(page: Page, names: frozenset[str]) -> Page:
    """The page with every text checked once more, after all files of the stages were read."""
    from dataclasses import replace

    def clean(section: sections.Section) -> sections.Section:
        blocks = tuple(
            replace(
                block,
                text=withhold(block.text, names),
                head=tuple(withhold(block.head, names)),
                rows=tuple(tuple(withhold(row, names)) for row in block.rows),
                # a chart's legend holds names from files; a picture holds pixels only
                content=withhold_markup(block.content, names) if block.kind == "chart" else block.content,
            )
            for block in section.blocks
        )
        return replace(section, blocks=blocks)

    return replace(
        page,
        sections=tuple(clean(section) for section in page.sections),
        reasons=tuple(withhold(page.reasons, names)),
        remarks=tuple(withhold(page.remarks, names)),
    )


def withhold_markup(markup: str, names: frozenset[str]) -> str:
    """A chart, or nothing where any of its words is one of `names`."""
    return "" if names and withhold(markup, names) != markup else markup
