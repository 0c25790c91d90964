"""Rank what the gate let through: which clean candidate of a draw is selected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rank:
    """A way to choose one of B clean candidates of a draw: their distances float64 [B] and a generator to its number.

    `distances` are L1 between the classifier's probabilities of the candidate and those that are wanted; where it is
    `by_likeness` how like somebody the candidate is (`judges.panel.Ruling.likeness`).
    """

    summary: str
    choose: Callable[[np.ndarray, np.random.Generator], int]
    by_likeness: bool = False


def nearest(distances: np.ndarray, rng: np.random.Generator) -> int:
    """The candidate with the least distance, the earlier one of several.

    By class probabilities that is the choice of Dombrowski & Kainz (arXiv 2506.17975).
    """
    return int(np.argmin(distances))


def first(distances: np.ndarray, rng: np.random.Generator) -> int:
    """The candidate that was drawn first."""
    return 0


def anyone(distances: np.ndarray, rng: np.random.Generator) -> int:
    """Any candidate, all with the same probability."""
    return int(rng.integers(len(distances)))


RANKS = {
    "probabilities": Rank("the clean candidate whose class probabilities are nearest to those wanted", nearest),
    "least-like": Rank("the clean candidate that all matchers find least like anybody in the cohort", nearest, True),
    "first": Rank("the first clean candidate", first),
    "random": Rank("any clean candidate", anyone),
}
"""Every way to choose, by its name in `[synthesis] rank`."""


def choose(
    draws: np.ndarray, flagged: np.ndarray, distances: np.ndarray, rank: Rank, rng: Callable[[int], np.random.Generator]
) -> dict[int, int]:
    """For each draw one of its clean candidates; draws without one are absent.

    `draws` int64 [B] names the draw of each candidate, `flagged` bool [B] those that the gate refused: they are gone
    before any distance is looked at, and so are those whose distance is no number. `rng` makes the generator of a draw.
    Returns draw to candidate in 0..B-1.
    """
    clean = np.flatnonzero(~np.asarray(flagged, dtype=bool) & np.isfinite(distances))
    own: dict[int, list[int]] = {}
    for index in clean:
        own.setdefault(int(draws[index]), []).append(int(index))
    return {draw: found[rank.choose(distances[found], rng(draw))] for draw, found in own.items()}


def label_distances(probabilities: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """L1 distances float64 [B] of the rows of class probabilities [B,C] to those `wanted` [B,C]."""
    apart = np.abs(np.asarray(probabilities, np.float64) - np.asarray(wanted, np.float64))
    return np.asarray(apart.sum(axis=1))
