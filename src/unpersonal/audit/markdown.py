"""An audit as a readable page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .chapter import Chapter
from .chapters import chapters
from .figures import AuditFigures


def markdown(figures: AuditFigures) -> str:
    """An audit that was played as a page in Markdown; aggregates only, as they are in audit.json."""
    lines = [f"# Audit: {figures.verdict}", "", f"Margins of the profile `{figures.profile}`.", ""]
    if figures.claim:
        lines += [figures.claim[0].upper() + figures.claim[1:] + ".", ""]
    for title, texts in (("Reasons", figures.reasons), ("Notes", figures.notes)):
        if texts:
            lines += [f"## {title}", "", *(f"- {text}" for text in texts), ""]
    return "\n".join([*lines, *in_markdown(chapters(figures))])


def in_markdown(parts: Iterable[Chapter], level: int = 2) -> list[str]:
    """Lines of Markdown: a heading of this level, the sentences and the table of each part."""
    lines = []
    for part in parts:
        lines += [f"{'#' * level} {part.title}", "", *(line for text in part.texts for line in (text, ""))]
        if part.rows:
            lines += [*_table(part.head, part.rows), ""]
    return lines


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    first, *rest = (f"| {' | '.join(row)} |" for row in cells)
    return [first, "|" + " --- |" * len(head), *rest]
