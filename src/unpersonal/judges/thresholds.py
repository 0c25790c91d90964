"""Every matcher's threshold: a budget of false flags, divided among the matchers by what it buys.

Legend: M matchers, s strangers (real people, each scored against a gallery without it), K kinds of copies, c copies of
a kind. A threshold is the score of one of the strangers, so that a matcher's stranger rate is known; the union of all
matchers' false flags may not exceed the budget, among all strangers and among those of each label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

STEP = 0.005
"""Share of the strangers by which a matcher's own rate is raised at least."""
LEAST_LABELLED = 50
"""Strangers with a label below which the label has no budget of its own: a share of fewer says little."""
LOOK_AHEAD = (1, 2, 4, 8, 16)
"""Steps that are tried at once: the copies that are missed may lie more than one step away."""


@dataclass(frozen=True)
class Evidence:
    """Scores of one kind of copies, float32 [M, c], and how much its misses weigh."""

    scores: np.ndarray
    weight: float = 1.0


def threshold_at(strangers: np.ndarray, count: int) -> float:
    """The score that `count` of the `strangers` [s] reach; more only where scores are tied. 0 is above all of them."""
    ordered = np.sort(strangers)[::-1]
    if count == 0:
        return float(np.nextafter(ordered[0], np.float32(np.inf)))
    return float(ordered[count - 1])


def divide(
    strangers: np.ndarray, evidence: Sequence[Evidence], share: float, labels: np.ndarray | None = None
) -> np.ndarray:
    """Thresholds float64 [M] under which at most `share` of the strangers, scores float32 [M, s], are flagged by any.

    That holds for each label (`labels` bool [C, s]) that at least `LEAST_LABELLED` strangers have as well.

    The matcher whose rate is raised next is the one that lowers the loss most for each stranger that is flagged anew;
    when none can be raised, rates are exchanged between two matchers as long as that lowers it. The loss is the sum
    over kinds of the root of the share that is missed, times its weight: the last misses of a kind count more than the
    first. What is left when no copy is missed is shared evenly: it buys sensitivity to kinds that nobody tried. Scores
    that are not finite, or no stranger, are a `ValueError`.
    """
    if strangers.size == 0 or not np.isfinite(strangers).all():
        raise ValueError("thresholds need finite scores of at least one stranger")
    if not all(np.isfinite(kind.scores).all() for kind in evidence):
        raise ValueError("scores of copies that are not finite")
    state = _State(strangers, evidence, share, labels)
    while state.raise_by_evidence() or state.exchange():
        pass
    state.fill_evenly()
    return state.thresholds(state.counts)


class _State:
    """How many strangers each matcher may flag, and what that buys."""

    def __init__(
        self, strangers: np.ndarray, evidence: Sequence[Evidence], share: float, labels: np.ndarray | None
    ) -> None:
        self._strangers, self._evidence = strangers, evidence
        matchers, count = strangers.shape
        groups = [np.ones(count, dtype=bool), *(() if labels is None else labels)]
        self._groups = np.stack([group for group in groups if group.all() or group.sum() >= LEAST_LABELLED])
        self._most, self._step = np.floor(share * self._groups.sum(axis=1)), max(round(STEP * count), 1)
        self.counts = np.zeros(matchers, dtype=np.int64)

    def thresholds(self, counts: np.ndarray) -> np.ndarray:
        """Float64 [M]."""
        return np.array([threshold_at(scores, int(k)) for scores, k in zip(self._strangers, counts, strict=True)])

    def _flagged(self, counts: np.ndarray) -> np.ndarray:
        """Strangers flagged, of all and of each label, int64 [1 + labels]."""
        level = self.thresholds(counts)[:, None].astype(np.float32)
        flagged: np.ndarray = (self._groups & (self._strangers >= level).any(axis=0)).sum(axis=1)
        return flagged

    def _loss(self, counts: np.ndarray) -> float:
        level = self.thresholds(counts)[:, None].astype(np.float32)
        return sum(
            kind.weight * float((~(kind.scores >= level).any(axis=0)).mean()) ** 0.5
            for kind in self._evidence
            if kind.scores.shape[1]
        )

    def _raised(self, matcher: int, steps: int, lowered: int = 0, by: int = 0) -> np.ndarray | None:
        """Counts with more for one matcher, less for another; None where strangers or budget do not allow it."""
        counts = self.counts.copy()
        counts[lowered] -= min(by * self._step, counts[lowered])
        counts[matcher] += steps * self._step
        if counts[matcher] > self._strangers.shape[1] or (self._flagged(counts) > self._most).any():
            return None
        return counts

    def raise_by_evidence(self) -> bool:
        """Take the raise that pays best; False where none pays."""
        before, flagged, best, chosen = self._loss(self.counts), self._flagged(self.counts)[0], 0.0, None
        for matcher in range(len(self.counts)):
            for steps in LOOK_AHEAD:
                counts = self._raised(matcher, steps)
                if counts is None:
                    break
                gain = (before - self._loss(counts)) / (self._flagged(counts)[0] - flagged + 0.5)
                if gain > best + 1e-12:
                    best, chosen = gain, counts
        if chosen is None:
            return False
        self.counts = chosen
        return True

    def exchange(self) -> bool:
        """Take the exchange between two matchers that lowers the loss most; False where none does."""
        best, chosen = self._loss(self.counts) - 1e-9, None
        for (matcher, other), steps, by in product(permutations(range(len(self.counts)), 2), LOOK_AHEAD, LOOK_AHEAD):
            counts = self._raised(matcher, steps, other, by)
            if counts is not None and (loss := self._loss(counts)) < best:
                best, chosen = loss, counts
        if chosen is None:
            return False
        self.counts = chosen
        return True

    def fill_evenly(self) -> None:
        """Raise the matcher with the lowest rate, again and again, while the budget allows it."""
        open_ = set(range(len(self.counts)))
        while open_:
            matcher = min(open_, key=lambda number: (self.counts[number], number))
            counts = self._raised(matcher, 1)
            if counts is None:
                open_.discard(matcher)
            else:
                self.counts = counts
