"""What a page is made of: sections of plain elements, rendered by one template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from importlib import resources
from typing import Literal

from ..core.numbers import fewer
from ..release.policy import is_number

Kind = Literal["heading", "text", "list", "terms", "table", "chart", "picture"]

WORDS = {
    "advantage": "training subjects isolated at least once, minus control",
    "advantage_upper": "training subjects isolated at least once, upper bound",
    "auroc_real": "AUROC, trained on real images",
    "auroc_synthetic": "AUROC, trained on synthetic images",
    "authpct": "share of authentic images (AuthPct, %)",
    "ceiling_auroc": "AUROC, trained on real images after the codec",
    "ceiling_auroc_interval": "AUROC, trained on real images after the codec, two-sided 95 % interval",
    "ceiling_gap": "AUROC lost by the codec alone",
    "ceiling_gap_interval": "AUROC lost by the codec alone, two-sided 95 % interval",
    "ceiling_gap_upper": "AUROC lost by the codec alone, 95 % upper bound",
    "fid": "Fréchet distance to real images (FID)",
    "false_flag_rate": "real people in no gallery whom the gate flags",
    "gap": "AUROC lost (real minus synthetic)",
    "gap_interval": "AUROC lost, two-sided 95 % interval",
    "gap_upper": "AUROC lost, 95 % upper bound",
    "irs": "diversity (adjusted image retrieval score)",
    "match_rate_before_gate": "candidates that match a real person, before the gate",
    "gallery_images": "images that candidates are compared with",
    "gallery_subjects": "people that candidates are compared with",
    "miss_rate": "people of whom the gate missed a promised copy",
    "miss_rate_upper": "people of whom the gate missed a promised copy, 95 % upper bound",
    "p_adjusted": "p, Holm-adjusted",
    "stranger_rate": "share of strangers that it flags",
    "strangers": "real people in no gallery on whom false flags were counted",
}
"""Figures in plain words; any other key is shown with its underscores as spaces."""


@dataclass(frozen=True)
class Element:
    """One piece of a section: `heading`, `text`, `list` (`rows` of one cell each), `terms` (rows of a word and what it
    means), `table` (`head`, `rows`), `chart` (inline SVG) or `picture` (data URI).

    A `folded` table is opened by whoever wants it, and always open in print. `alt` says what a picture shows; a chart
    says it itself.
    """

    kind: Kind
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    content: str = ""
    alt: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A titled part of the page; without elements it says that its stage has not run."""

    key: str
    title: str
    lead: str
    elements: tuple[Element, ...] = ()
    missing: str = "This stage has not run, so there is nothing to show."


@dataclass(frozen=True)
class Page:
    """A page: banner (`good`, `bad` or `open`) with headline and reasons, `blocks` beside it on the first screen, and
    sections.
    """

    title: str
    banner: str
    headline: str
    sections: tuple[Section, ...]
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    blocks: tuple[Section, ...] = ()
    confidential: bool = False
    footer: str = field(default="Made by unpersonal.")


def folded(section: Section) -> Section:
    """The section with every table folded."""
    closed = (replace(each, folded=True) if each.kind == "table" else each for each in section.elements)
    return replace(section, elements=tuple(closed))


def words(key: str) -> str:
    """A key in plain words."""
    return WORDS.get(key, key.replace("_", " "))


def shown(value: object) -> str:
    """A JSON value for a table cell; a number gets as many digits as can matter, and no power of ten."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if is_number(value):
        return _digits(value)
    if isinstance(value, list | tuple):
        return (
            " to ".join(shown(item) for item in value) if len(value) == 2 else ", ".join(shown(item) for item in value)
        )
    return fewer(str(value))


def _digits(value: float) -> str:
    """Four significant digits, two of what is under a thousandth, all digits of a whole number."""
    exact = Decimal(repr(float(value)))
    if exact == exact.to_integral_value() and abs(exact) < 1e15:
        return f"{int(exact):,}"
    digits = 2 if abs(exact) < Decimal("0.001") else 4
    step = Decimal(1).scaleb(min(exact.adjusted() - digits + 1, 0))
    return f"{exact.quantize(step, ROUND_HALF_EVEN).normalize() + 0:,f}"


def key_table(figures: Mapping[str, object], text: str = "") -> list[Element]:
    """A two-column table of the plain values of `figures`; nothing where it has none."""
    plain = {key: value for key, value in figures.items() if _is_plain(value)}
    if not plain:
        return []
    # where training did not end early there is no reason, which is no gap in what is known
    cells = {
        key: "no" if value is None and key.endswith("_ended_early") else shown(value) for key, value in plain.items()
    }
    return [Element("table", text, ("figure", "value"), tuple((words(key), cell) for key, cell in cells.items()))]


def record_table(records: object, text: str = "", *, name: str = "") -> list[Element]:
    """A table out of a list of records or a mapping of records; `name` titles the column of the mapping's keys."""
    if isinstance(records, Mapping):
        rows = [{name or "name": key, **value} for key, value in records.items() if isinstance(value, Mapping)]
    elif isinstance(records, Sequence) and not isinstance(records, str):
        rows = [dict(value) for value in records if isinstance(value, Mapping)]
    else:
        rows = []
    columns = list(dict.fromkeys(key for row in rows for key, value in row.items() if _is_plain(value)))
    if not columns:
        return []
    cells = tuple(tuple(shown(row[column]) if column in row else "" for column in columns) for row in rows)
    return [Element("table", text, tuple(words(column) for column in columns), cells)]


def all_tables(figures: Mapping[str, object], text: str = "") -> list[Element]:
    """`key_table` of the plain values, then a table for every nested mapping or list of records, titled by its key."""
    elements = key_table(figures, text)
    for key, value in figures.items():
        if isinstance(value, Mapping) and value:
            nested = record_table(value, words(key))
            plain = {name: item for name, item in value.items() if not isinstance(item, Mapping)}
            elements += nested
            elements += all_tables(plain, "" if nested else words(key)) if plain else []
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            elements += record_table(value, words(key))
    return elements


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return 0 < len(value) <= 12 and all(not isinstance(item, Mapping | list | tuple) for item in value)
    return not isinstance(value, Mapping)


def render(page: Page) -> str:
    """HTML of the page: one file, no script, nothing loaded from elsewhere; every text is escaped."""
    from jinja2 import Environment, StrictUndefined

    folder = resources.files(__package__).joinpath("templates")
    template, style = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("report.html.j2", "report.css"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(page=page, style=style.rstrip()).lstrip()
