"""The page can be read by whoever does not see it, and on paper: structure, contrast, numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from unpersonal.core.files import write_json
from unpersonal.report.glossary import ACRONYMS
from unpersonal.report.making import judges
from unpersonal.report.page import shown
from unpersonal.report.public import Public
from unpersonal.report.sections import cohort as section_of_cohort

from .example import SUMMARY, with_figures

VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use"}


class Outline(HTMLParser):
    """Headings, the text in order, and every tag with its attributes and the tags that it stands in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.headings: list[int] = []
        self.text = ""
        self.feed(html)
        assert not self.open, f"{self.open} is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs), tuple(self.open)))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs), tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open and self.open[-1] == tag, f"{tag} closes {self.open[-3:]}"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {"style", "title", "svg"} & set(self.open):
            self.text += data


@pytest.fixture(params=["released", "refused", "empty", "old", "private"])
def html(request: pytest.FixtureRequest, pages: Mapping[str, Path]) -> str:
    """A page of every sort."""
    return pages[request.param].read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_has_a_structure(html: str) -> None:
    page = Outline(html)
    assert html.startswith("<!DOCTYPE html>") and re.search(r'<html lang="en">', html)
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    names = [tag for tag, _, _ in page.tags]
    assert [names.count(tag) for tag in ("header", "main", "footer", "nav")] == [1, 1, 1, 1]
    ids = [attributes["id"] for _, attributes, _ in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes, within in page.tags:
        if tag == "img":
            assert attributes["alt"]
        elif tag == "svg":
            assert attributes["role"] == "img" and attributes["aria-label"] and "figure" in within
        elif tag == "th":
            assert attributes["scope"] == ("col" if "thead" in within else "row")
        elif tag == "a":
            assert str(attributes["href"]).removeprefix("#") in ids
        elif tag == "table":
            # whoever uses the keyboard can scroll what is wider than the screen
            assert within[-1] == "div" and "main" in within
        for name in ("aria-labelledby",):
            assert name not in attributes or attributes[name] in ids
    first = next(attributes for tag, attributes, _ in page.tags if tag == "a")
    assert first["href"] == "#main" and first["class"] == "skip"
    scrolled = [attributes for _, attributes, _ in page.tags if attributes.get("class") == "scroll"]
    assert len(scrolled) == names.count("table") and all(found["tabindex"] == "0" for found in scrolled)
    assert names.count("caption") == names.count("table") and all(found["aria-label"] for found in scrolled)


@pytest.mark.slow
def test_numbers_and_acronyms_are_for_people(html: str) -> None:
    # the glossary comes last, and explains all
    page = Outline(re.sub(r'<section id="glossary".*?</section>', "", html, flags=re.DOTALL))
    assert not re.search(r"\d[eE][-+]?\d\d", page.text)
    for name in ACRONYMS:
        if found := re.search(rf"(?<![\w-]){name}s?(?![\w-])", page.text):
            assert page.text[found.end() :].startswith(" ("), page.text[found.start() - 80 : found.end() + 30]


@pytest.mark.slow
def test_the_first_screen_has_no_acronym_and_tables_are_folded(pages: Mapping[str, Path]) -> None:
    html = pages["released"].read_text(encoding="utf-8")
    first = Outline(html[html.index("<main") : html.index("<nav")] + "</main>").text
    assert not re.search(r"\b[A-Z]{2,}\b", first) and "1 in 160,000" not in first
    for said in ("Yes, to recipients", "55 of 100", "60 of 100", "What was not tested", "turned a little"):
        assert said in first
    assert sum(tag == "details" for tag, _, _ in Outline(html).tags) > 20
    # tables outside of the first screen stand in one
    page = Outline(html[html.index("<nav") :].replace("</main>", "").replace("</body>", "").replace("</html>", ""))
    assert all("details" in within for tag, _, within in page.tags if tag == "table")


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast of two colours (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_all_words_have_the_contrast_that_is_asked_for() -> None:
    from unpersonal.report import page
    from unpersonal.report.charts import COLOURS

    style = (Path(page.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style))
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for paper in ("paper", "good-paper", "bad-paper", "open-paper"):
        for ink in ("ink", "soft", "link"):
            assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
    for kind in ("good", "bad", "open"):
        assert (
            contrast(colours[kind], colours[f"{kind}-paper"]) >= 4.5 and contrast(colours["paper"], colours[kind]) >= 3
        )
    assert all(contrast(colour, colours["paper"]) >= 4.5 for colour in COLOURS)
    # no colour is named elsewhere
    used = set(re.findall(r"(?<!-)(?:color|background|border-color): ([^;}]+)", style))
    assert all(value.startswith("var(--") for value in used), used


def test_paper_gets_every_table() -> None:
    from unpersonal.report import page

    style = (Path(page.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    printed = style[style.index("@media print") :]
    assert "details::details-content" in printed and ".scroll { overflow: visible; }" in printed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6.25e-6, "0.0000062"),
        (0.1234567, "0.1235"),
        (123456.0, "123,456"),
        (1234.5678, "1,235"),
        (1e9, "1,000,000,000"),
        (0.0, "0"),
        (-0.00042, "-0.00042"),
        (1e-30, "0." + "0" * 29 + "1"),
        ("<5", "fewer than 5"),
        ([1, 2], "1 to 2"),
        (None, "not known"),
    ],
)
def test_a_number_has_no_power_of_ten(value: object, text: str) -> None:
    assert shown(value) == text


def test_no_count_under_five_is_told() -> None:
    cohort = replace(SUMMARY.figures.cohort, quarantined=3, quarantine_reasons={"too small": 3, "broken": 60})
    found = section_of_cohort(with_figures(SUMMARY, "cohort", **vars(cohort)).figures, Public())
    rows = [row for each in found.elements for row in each.rows]
    assert ("quarantined", "fewer than 5") in rows and ("too small", "fewer than 5") in rows


def test_a_broken_history_is_like_none(tmp_path: Path) -> None:
    write_json(tmp_path / "models" / "judges" / "roc.json", {"reidentifier": {"fpr": [0, "x"], "tpr": [1]}})
    assert judges(tmp_path).elements == ()
