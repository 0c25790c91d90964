"""What an audit found: figures without any person, and beside them what only the owner of the images may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from .figures import AuditFigures, Verdict

T = TypeVar("T")
SMALLEST_CELL = 5


def masked(count: int) -> int | str:
    """A count of people, or `<5` where it is below five."""
    return count if count >= SMALLEST_CELL else "<5"


def told(figure: T | None) -> T:
    """A figure of an audit that was played, which has them all."""
    if figure is None:
        raise ValueError("an audit that was not played has no such figure")
    return figure


@dataclass(frozen=True)
class Private:
    """What names people: rows of the images as they were given. For private.html; never among the figures.

    `dropped` are the released pictures that were taken out; `copied` are rows of these, or of all where none were.
    """

    worst: tuple[dict[str, int], ...]
    pairs: tuple[dict[str, float], ...]
    copied: tuple[dict[str, Any], ...] = ()
    dropped: tuple[int, ...] = ()
    exposed: tuple[dict[str, float], ...] = ()


@dataclass(frozen=True)
class AuditResult:
    """Outcome of an audit: `figures` for everybody; relative distances (1 = as near as strangers come) of every train
    and control subject to the nearest released image, float32 [N]; and what names people.
    """

    figures: AuditFigures
    train_distances: np.ndarray = field(repr=False, compare=False)
    control_distances: np.ndarray = field(repr=False, compare=False)
    private: Private = field(repr=False, compare=False)

    @property
    def verdict(self) -> Verdict:
        """`pass`, `inconclusive` or `fail`."""
        return self.figures.verdict

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON: no subject, row, path or seed, and no count of people below five."""
        return self.figures.to_json()
