"""What the gate finds of copies: by kind, and of how many subjects it misses a copy that it promises to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.progress import progress_bar
from ..matching.kinds import LEAST_RECALL, Kind
from ..metrics.intervals import clopper_pearson_lower, clopper_pearson_upper
from .copies import CopyMaker, every_kind
from .figures import KindFigures, MissFigures
from .panel import Enrolled, rule

TOGETHER = 1024
"""Copies that are made and ruled on at once."""


@dataclass
class Found:
    """Which copies were flagged: bool [n] for every kind by name, of the first n of `rows`; `untried` kinds."""

    rows: np.ndarray
    flagged: dict[str, np.ndarray] = field(default_factory=dict)
    promised: set[str] = field(default_factory=set)
    untried: list[str] = field(default_factory=list)

    def misses(self, confidence: float) -> MissFigures:
        """Subjects of whom one promised copy at least is not flagged."""
        missed = np.zeros(len(self.rows), dtype=bool)
        for name in self.promised:
            missed |= ~self.flagged[name]
        count, total = int(missed.sum()), len(self.rows)
        return MissFigures(
            subjects=total,
            missed=count,
            miss_rate=count / total,
            miss_rate_upper=clopper_pearson_upper(count, total, confidence),
        )

    def kinds(self) -> dict[str, KindFigures]:
        """Recall of every kind that was tried, each of its copies of another subject."""
        return {name: kind_figures(flagged, name in self.promised) for name, flagged in self.flagged.items()}


def kind_figures(flagged: np.ndarray, promised: bool) -> KindFigures:
    """Figures of one kind of which copies of different subjects are `flagged` bool [n]."""
    hits, total = int(flagged.sum()), len(flagged)
    lower = clopper_pearson_lower(hits, total)
    return KindFigures(
        subjects=total, recall=hits / total, recall_lower=lower, promised=promised, blind=lower < LEAST_RECALL
    )


def try_copies(
    panel: Sequence[Enrolled],
    thresholds: Mapping[str, float],
    maker: CopyMaker,
    rows: np.ndarray,
    *,
    others: int = 0,
    title: str = "copies",
) -> Found:
    """Copies of `rows` int64 [n], one of each subject: of every promised kind, of other kinds of the first `others`.

    A promised kind that cannot be made is a `ValueError`: its misses could not be counted.
    """
    found = Found(rows)
    kinds = [(kind, strength) for kind, strength in every_kind() if others or strength in kind.promised]
    with progress_bar(f"gate ({title})", len(kinds)) as bar:
        for kind, strength in kinds:
            name = kind.named(strength)
            if strength in kind.promised:
                found.promised.add(name)
                found.flagged[name] = _flagged(panel, thresholds, maker, kind, strength, rows)
            elif not maker.can_make(kind):
                found.untried.append(name)
            else:
                some = rows[: min(others, maker.most(kind) or others)]
                found.flagged[name] = _flagged(panel, thresholds, maker, kind, strength, some)
            bar.advance(1)
    return found


def _flagged(
    panel: Sequence[Enrolled],
    thresholds: Mapping[str, float],
    maker: CopyMaker,
    kind: Kind,
    strength: float,
    rows: np.ndarray,
) -> np.ndarray:
    blocks = (rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER))
    return np.concatenate([rule(panel, thresholds, maker.make(kind, strength, block)).flagged for block in blocks])
