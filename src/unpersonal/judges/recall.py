"""What the gate finds of copies: by kind, and of how many subjects it misses a copy that it promises to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.progress import progress_bar
from ..core.spread import spread
from ..matching.base import flags
from ..matching.kinds import LEAST_RECALL
from ..matching.kinds import kind as kind_called
from ..metrics.intervals import clopper_pearson_lower, clopper_pearson_upper
from .copies import CopyMaker, every_kind
from .figures import KindFigures, MissFigures
from .panel import Enrolled, by_cost, rule

WORTH = 10_000
"""Questions to matchers, one copy each, above which other processes are worth their start."""
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


@dataclass(frozen=True)
class _Trial:
    """What copies are made by and ruled on with, and of which rows; the matchers as `by_cost` has them for a kind."""

    panel: Sequence[Enrolled]
    thresholds: Mapping[str, float]
    maker: CopyMaker
    rows: np.ndarray
    evidence: Mapping[str, np.ndarray]

    def ordered(self, name: str) -> Sequence[Enrolled]:
        """The matchers in the order in which copies of a kind cost least."""
        levels = [self.thresholds.get(each.name, float("nan")) for each in self.panel]
        known = self.evidence.get(name)
        if known is None:
            return by_cost(self.panel, [1.0] * len(levels))
        rates = [float(flags(row, level).mean()) for row, level in zip(known, levels, strict=True)]
        return by_cost(self.panel, rates)


def try_copies(
    panel: Sequence[Enrolled],
    thresholds: Mapping[str, float],
    maker: CopyMaker,
    rows: np.ndarray,
    *,
    others: int = 0,
    evidence: Mapping[str, np.ndarray] | None = None,
    title: str = "copies",
) -> Found:
    """Copies of `rows` int64 [n], one of each subject: of every promised kind, of other kinds of the first `others`.

    `evidence` float32 [M,c] are scores of such copies by kind, which say whom to ask first: it is quicker, and changes
    nothing. A promised kind that cannot be made is a `ValueError`: its misses could not be counted.
    """
    found, trial = Found(rows), _Trial(panel, thresholds, maker, rows, evidence or {})
    kinds = [(kind, strength) for kind, strength in every_kind() if others or strength in kind.promised]
    items = []
    for kind, strength in kinds:
        if strength in kind.promised:
            found.promised.add(kind.named(strength))
            items.append((kind.name, strength, len(rows)))
        elif not maker.can_make(kind):
            found.untried.append(kind.named(strength))
        else:
            items.append((kind.name, strength, min(others, maker.most(kind) or others)))
    # what the study's own networks draw uses all threads already, or a GPU
    alone = [item for item in items if kind_called(item[0]).make is None]
    shared = [item for item in items if item not in alone]
    with progress_bar(f"gate ({title})", len(items)) as bar:
        worth = len(panel) * len(rows) * len(shared) >= WORTH
        flagged = dict(zip(shared, spread(_flagged, trial, shared, worth=worth, done=bar.advance), strict=True))
        for item in alone:
            flagged[item] = _flagged(trial, item)
            bar.advance()
    found.flagged |= {kind_called(name).named(strength): flagged[name, strength, n] for name, strength, n in items}
    return found


def _flagged(trial: _Trial, item: tuple[str, float, int]) -> np.ndarray:
    """Which copies of a kind at a strength, of the first so many rows, are flagged: bool [n]."""
    name, strength, count = item
    kind, rows = kind_called(name), trial.rows[:count]
    panel = trial.ordered(kind.named(strength))
    blocks = (rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER))
    return np.concatenate(
        [rule(panel, trial.thresholds, trial.maker.make(kind, strength, block)).flagged for block in blocks]
    )
