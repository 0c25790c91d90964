"""Markdown that every generated page is made of."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """Words in a cell of a table: one line, bars and angle brackets as themselves, outside of code."""
    pieces = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        piece.replace("|", "\\|") if piece.startswith("`") else html.escape(piece, quote=False).replace("|", "\\|")
        for piece in pieces
    )


def code(text: str) -> str:
    """Something to be typed, in a cell."""
    return f"`{' '.join(text.split())}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown already."""
    lines = [" | ".join(head), "|".join("---" for _ in head), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def first_sentence(text: str | None) -> str:
    """What a docstring says first, without its full stop."""
    said = " ".join((text or "").split("\n\n")[0].split())
    return re.split(r"(?<=[a-z0-9)`\"])\.(?= [A-Z]|$)", said)[0]
