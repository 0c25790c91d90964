"""What is told of a training in history.json."""

from __future__ import annotations

from typing import TypedDict


class History(TypedDict):
    """How a training went: rows of the log, the looks at held-out people, and the step whose weights were kept."""

    training: list[dict[str, float]]
    looks: list[dict[str, float | None]]
    best_step: int
