"""docs/audit.md lists what audit.json holds: every key, and the margins of every profile."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.profiles import PROFILES, margins_of
from unpersonal.report.summary import Summary

DOCS = Path(__file__).parents[2] / "docs" / "audit.md"


def table(heading: str) -> list[list[str]]:
    """Cells of the rows of the first table below a heading."""
    text = DOCS.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def inner(hint: Any) -> list[str]:
    """Names of the figures inside of a type; none where it holds plain values."""
    if is_dataclass(hint):
        return [field.name for field in fields(hint)]
    return next((found for arm in get_args(hint) if (found := inner(arm))), [])


def test_the_table_of_keys_is_that_of_the_code() -> None:
    hints = get_type_hints(AuditFigures)
    names = [field.name for field in fields(AuditFigures)]
    told = {key: quoted(row[2]) for row in table("Keys of audit.json") for key in quoted(row[0])}
    blocks = next(row[1] for row in table("Keys of audit.json") if row[0] == "`side` ?")
    assert "`blocks`" in blocks
    assert {**told, "blocks": []} == {name: inner(hints[name]) for name in names}


def test_what_is_said_to_be_always_there_is(demo_summary: Summary) -> None:
    always = {key for row in table("Keys of audit.json") if not row[0].endswith("?") for key in quoted(row[0])}
    least = AuditFigures(
        verdict="inconclusive",
        reasons=(),
        notes=(),
        advantage=None,
        advantage_upper=1.0,
        policy_upper=0.05,
        profile="open",
        tests=(),
    )
    assert set(least.to_json()) == always
    assert demo_summary.figures.audit is not None and always <= set(demo_summary.figures.audit.to_json())


def test_profiles_have_the_margins_that_are_told() -> None:
    told = {quoted(row[0])[0]: ([float(cell) for cell in row[1:6]], row[6]) for row in table("Profiles")}
    assert told == {name: (list(margins_of(each).values()), each.who) for name, each in PROFILES.items()}
