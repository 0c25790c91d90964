"""The Markdown of the repository, cut into what the tests ask about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
ALL = [*sorted(ROOT.glob("*.md")), *PAGES]
ITEM = re.compile(r"([-*]|\d+\.)\s")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def outside_code(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of every line that stands in no block of code; the head of a card counts as such."""
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith("```"):
            inside = not inside
            yield number, ""
        elif not inside:
            yield number, line


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, text) of every paragraph and item of a list; tables and headings are none."""
    start, words = 0, ""
    for number, line in outside_code(text):
        told = line.strip()
        plain = bool(told) and not told.startswith(("#", "|", "![", "<", ">"))
        if words and (not plain or ITEM.match(told)):
            yield start, words
            words = ""
        if plain:
            start, words = (start, f"{words} {told}") if words else (number, told)
    if words:
        yield start, words


def blocks(text: str, *languages: str) -> list[str]:
    """The blocks of code in these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [code for language, code in found if language in languages]


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and mkdocs make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", heading.strip())
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """Anchors of all headings of a page."""
    lines = (line for _, line in outside_code(page.read_text(encoding="utf-8")))
    return {anchor(line.lstrip("#")) for line in lines if re.match(r"#{1,6} ", line)}
