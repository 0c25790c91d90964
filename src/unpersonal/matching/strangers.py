"""How like is like? Raw scores are measured by those of strangers: people of the gallery against all others in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.seeds import numpy_rng
from .base import Scores

if TYPE_CHECKING:
    from torch import Tensor

MOST = 400
"""Strangers, one image a subject, that a scale is measured with, at most."""
LEAST_SPREAD = 1e-3
"""Spread of the strangers' scores below which all of them are the same."""
UNSURE = 1e-4
"""Share of a score that rounding may not change."""
NEAR_COPY = 0.95
"""Part of the way from the typical stranger to an exact copy beyond which two people have the same picture."""


@dataclass(frozen=True)
class Scale:
    """Median and spread (distance of the 95th percentile) of the strangers' scores: float32 [k], one for each look."""

    median: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> Scale:
        """The scale of strangers' raw scores [n, k]; without strangers the raw scores are left as they are."""
        if len(scores) == 0:
            return cls.plain(scores.shape[1])
        median, high = np.quantile(scores, (0.5, 0.95), axis=0)
        return cls(median.astype(np.float32), np.maximum(high - median, LEAST_SPREAD).astype(np.float32))

    @classmethod
    def plain(cls, looks: int) -> Scale:
        """A scale that leaves the raw scores of `looks` looks as they are."""
        return cls(np.zeros(looks, np.float32), np.ones(looks, np.float32))

    def to_tensors(self) -> dict[str, Tensor]:
        """Both as tensors, to be kept as safetensors."""
        import torch

        return {"median": torch.from_numpy(self.median), "spread": torch.from_numpy(self.spread)}

    @classmethod
    def from_tensors(cls, state: Mapping[str, Tensor]) -> Scale:
        """The scale of which `to_tensors` gave `state`."""
        return cls(state["median"].numpy(), state["spread"].numpy())

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Raw scores [n, k] in spreads above the strangers' median; 1 is reached by one stranger in twenty."""
        return ((scores - self.median) / self.spread).astype(np.float32)

    def undo(self, score: float) -> np.ndarray:
        """Raw scores [k] that `apply` surely brings to `score` at least, for all their rounding."""
        return np.asarray(self.median + self.spread * (score + UNSURE * max(abs(score), 1.0)), dtype=np.float32)


def near_copies(scores: np.ndarray, copies: np.ndarray, others: np.ndarray) -> np.ndarray:
    """bool [n]: which `scores` [n] are almost those of a copy, by scores of exact `copies` [c] and of `others` [o].

    One person under two names is no stranger: a limit above such scores lets copies pass. A matcher that likens no copy
    more than the typical one of the others tells nobody apart: all are called the same.
    """
    known = others[np.isfinite(others)]
    typical = float(np.median(known)) if len(known) else np.inf
    least = float(copies[np.isfinite(copies)].min(initial=np.inf))
    found: np.ndarray = scores >= typical + NEAR_COPY * (least - typical)
    return found if typical < least < np.inf else np.ones(len(scores), dtype=bool)


def pick_strangers(subjects: np.ndarray, seed: int = 0) -> np.ndarray:
    """Rows of one image each of at most `MOST` subjects [g], in ascending order; none where there is only one."""
    names = np.asarray(subjects).astype(str)
    order = numpy_rng(seed, "strangers").permutation(len(names))
    _, first = np.unique(names[order], return_index=True)
    rows = order[np.sort(first)[:MOST]]
    return np.sort(rows) if len(first) > 1 else rows[:0]


@dataclass(frozen=True)
class Own:
    """Numbers of the subjects that are left out for each query, int64 [q], and of those of the gallery [g]."""

    queries: np.ndarray
    gallery: np.ndarray

    @classmethod
    def of(cls, own: np.ndarray | None, subjects: np.ndarray) -> Own | None:
        """`own` [q] and `subjects` [g] (str) in numbers; None where nobody is left out."""
        if own is None:
            return None
        names = np.concatenate([np.asarray(own).astype(str), np.asarray(subjects).astype(str)])
        numbers = np.unique(names, return_inverse=True)[1]
        return cls(numbers[: len(own)], numbers[len(own) :])

    def barred(self, part: slice | np.ndarray) -> np.ndarray:
        """bool [n, g]: which gallery images are left out for each query of `part`."""
        found: np.ndarray = self.queries[part, None] == self.gallery[None, :]
        return found


def barred(own: Own | None, part: slice | np.ndarray) -> Tensor | None:
    """`Own.barred` as a tensor; None where nobody is left out."""
    import torch

    return None if own is None else torch.from_numpy(own.barred(part))


def best_look(raw: np.ndarray, rows: np.ndarray, scale: Scale, how: np.ndarray | None = None) -> Scores:
    """Of raw scores, gallery rows and words [n, k] those of the look that strangers reach most seldom.

    NaN where any look is NaN.
    """
    scores = scale.apply(raw)
    look = np.argmax(np.where(np.isnan(scores), np.inf, scores), axis=1)
    index = np.arange(len(scores))
    return Scores(scores[index, look], rows[index, look], None if how is None else how[index, look])
