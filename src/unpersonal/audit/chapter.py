"""A part of an audit for a person who decides: a title, plain sentences, a table; and how figures are written in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .result import SMALLEST_CELL
from .verdict import rounded_down, rounded_up

FEW = f"<{SMALLEST_CELL}"
OUTCOMES = {"within": "within the margin", "undecided": "not decided", "above": "above the margin"}
"""Outcomes in words."""


@dataclass(frozen=True)
class Chapter:
    """Sentences say what the numbers of the table mean, and what would be bad; every row has a cell for each of `head`.

    `keys` are the figures of `AuditFigures` that it tells in full.
    """

    title: str
    texts: tuple[str, ...]
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    keys: tuple[str, ...] = ()


def people(count: int | str) -> str:
    """A count of people, never one below five."""
    if isinstance(count, str):
        return count
    return FEW if count < SMALLEST_CELL else f"{count:,}"


def share(value: float | None) -> str:
    """A measured figure with three digits behind the point; empty where there is none."""
    return "" if value is None or not math.isfinite(value) else f"{value:.3f}"


def at_least(value: float) -> str:
    """A lower bound, rounded down."""
    return rounded_down(value)


def at_most(value: float) -> str:
    """An upper bound, rounded up."""
    return rounded_up(value)


def small(value: float) -> str:
    """A figure that may be very small, such as a weight."""
    return f"{value:.3g}"


def in_plain(name: str) -> str:
    """The name of an attack or a matcher without underscores."""
    return name.replace("_", " ")
