"""Paired membership figures of a swap: every person trained one of two generators and is control of the other.

Legend: N people, of whom a trained the first generator (`inside`) and b the second; a score of each person against each
release, high = guessed to have trained it; P permutations; K attacks.

A person whom every release resembles scores high in both games: as a member in one, where that speaks for a leak, and
as a control person in the other, where it speaks against one. What counts of a person is the difference, so that how
common people look cancels out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..metrics.hypothesis import permuted_within
from ..metrics.roc import mid_ranks
from .bounds import FALSE_POSITIVES, Estimate, auroc_estimate, rates_at, tpr_estimate, z_of
from .swap_figures import SwapMembership

CHUNK = 512
"""Permutations counted at once."""


@dataclass(frozen=True)
class SwapScores:
    """Scores of N people by one attack: `first` and `second` float64 [N] against the two releases, in one order."""

    name: str
    first: np.ndarray
    second: np.ndarray

    def reversed(self) -> SwapScores:
        """The sign-reversed twin."""
        return replace(self, name=f"{self.name}_reversed", first=-self.first, second=-self.second)


def paired_auroc(scores: SwapScores, inside: np.ndarray) -> Estimate:
    """Mean AUROC of the two games; `inside` bool [N] trained the first generator.

    Its variance is that of DeLong et al. (Biometrics 1988) with both placements of a person added up before they are
    squared: as a member of one game, and as control of the other.
    """
    placed = _placements(scores.first, inside) + _placements(scores.second, ~inside)
    groups = (placed[inside], placed[~inside])
    variance = sum(float(group.var(ddof=1)) / len(group) for group in groups) / 4.0
    least = 1.0 / (24.0 * len(groups[0]) * len(groups[1]))  # of two games without any overlap, see `auroc_estimate`
    return Estimate(float(sum(group.mean() for group in groups)) / 4.0, max(variance, least), subjects=len(inside))


def unpaired_auroc(scores: SwapScores, inside: np.ndarray) -> Estimate:
    """The same mean with the variance that it had if the two games were of different people."""
    games = auroc_estimate(scores.first, inside), auroc_estimate(scores.second, ~inside)
    return Estimate(
        (games[0].value + games[1].value) / 2.0, (games[0].rest + games[1].rest) / 4.0, subjects=len(inside)
    )


def paired_tpr(scores: SwapScores, inside: np.ndarray) -> Estimate:
    """Mean true-positive rate of the two games at 1 % false positives, each with its own threshold."""
    games = tpr_estimate(scores.first, inside), tpr_estimate(scores.second, ~inside)
    a, b = int(inside.sum()), int((~inside).sum())
    return Estimate(
        (games[0].value + games[1].value) / 2.0, (games[0].rest + games[1].rest) / 4.0, 4 * a * b // (a + b)
    )


def membership_of(
    family: Sequence[SwapScores],
    inside: np.ndarray,
    strata: np.ndarray,
    *,
    permutations: int,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[SwapMembership, ...]:
    """Figures of every attack of a family and its sign-reversed twin.

    The halves are dealt anew `permutations` times within `strata` str [N]: which half trained which generator was a
    matter of chance, and if no score depends on it every deal is as good. Lower bounds hold together with `confidence`
    (max-T over shared deals, Westfall & Young 1993), upper bounds each with it.
    """
    both = [twin for scores in family for twin in (scores, scores.reversed())]
    if not both:
        return ()
    deals = permuted_within(inside, strata, permutations, rng).astype(bool)
    largest = np.full(permutations, -np.inf)
    for scores in both:
        for null in _nulls(scores, deals):
            spread = float(null.std())
            if spread > 0.0:
                np.maximum(largest, (null - null.mean()) / spread, out=largest)
    critical = max(float(np.quantile(largest, confidence, method="higher")), z_of(confidence))
    return tuple(_figures(scores, inside, z_of(confidence), critical) for scores in both)


def _figures(scores: SwapScores, inside: np.ndarray, z: float, critical: float) -> SwapMembership:
    auroc, rate = paired_auroc(scores, inside), paired_tpr(scores, inside)
    return SwapMembership(
        name=scores.name,
        auroc=auroc.value,
        auroc_upper=auroc.upper(z),
        auroc_lower=auroc.lower(critical),
        auroc_upper_unpaired=unpaired_auroc(scores, inside).upper(z),
        tpr=rate.value,
        tpr_upper=rate.upper(z),
        tpr_lower=rate.lower(critical),
    )


def _placements(scores: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Share of the other side that a person is ranked rightly against, ties half: float64 [N]."""
    placed = np.empty(len(scores))
    m, n = int(train.sum()), int((~train).sum())
    ranks = mid_ranks(scores)
    placed[train] = (ranks[train] - mid_ranks(scores[train])) / n
    placed[~train] = 1.0 - (ranks[~train] - mid_ranks(scores[~train])) / m
    return placed


def _nulls(scores: SwapScores, deals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean AUROC and mean true-positive rate of every deal bool [P, N]: two float64 [P]."""
    areas, rates = np.empty(len(deals)), np.empty(len(deals))
    ranks = mid_ranks(scores.first), mid_ranks(scores.second)
    for begin in range(0, len(deals), CHUNK):
        deal = deals[begin : begin + CHUNK]
        rows = slice(begin, begin + len(deal))
        areas[rows] = (_areas(ranks[0], deal) + _areas(ranks[1], ~deal)) / 2.0
        rates[rows] = (
            rates_at(scores.first, deal, FALSE_POSITIVES) + rates_at(scores.second, ~deal, FALSE_POSITIVES)
        ) / 2.0
    return areas, rates


def _areas(ranks: np.ndarray, train: np.ndarray) -> np.ndarray:
    """AUROC of every row of `train` bool [P, N], by the ranks of the scores."""
    m = train.sum(axis=1)
    found: np.ndarray = (train @ ranks - m * (m + 1) / 2.0) / (m * (train.shape[1] - m))
    return found
