"""Reading figures out of evidence that nobody has checked yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .policy import is_number

WHERE = "evidence.json"
FEW = "<5"


def table(values: object, *names: str) -> Mapping[str, Any]:
    """The table under `names`, one inside the other; an empty one where there is none."""
    for name in names:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values if isinstance(values, Mapping) else {}


def rows(values: object) -> Iterator[Mapping[str, Any]]:
    """The tables in a list; none where it is no list."""
    yield from (row for row in values if isinstance(row, Mapping)) if isinstance(values, list) else ()


def texts(values: object) -> list[str]:
    """The texts in a list; none where it is no list."""
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def above(name: str, value: object, limit: object, *, lowest: float = 0.0) -> list[str]:
    """Why the figure `name` refuses: no number, outside [`lowest`, 1], or above its limit."""
    if not is_number(limit):
        return [f"{WHERE}: policy: no limit for {name} ({limit!r})"]
    if not is_number(value):
        return [f"{WHERE}: {name} is missing or no number ({value!r})"]
    if not lowest <= value <= 1.0:
        return [f"{WHERE}: {name} = {value:.4g} is not a possible value"]
    return [f"{WHERE}: {name} = {value:.4g} is above the limit {limit:g} of its own policy"] if value > limit else []
