"""Membership by distance: are train subjects nearer to the release than control subjects (reversed: farther)?"""

from __future__ import annotations

import numpy as np

from ..metrics.roc import mid_ranks
from .distances import EmbeddedSubjects, by_subject, nearest_centre

NEIGHBOURS = 5


def ordinary_distance(embedded: EmbeddedSubjects, reference: EmbeddedSubjects) -> np.ndarray:
    """How near strangers come to each subject: mean distance to its 5 nearest reference subjects, float64 [S].

    Distance to the release alone mostly says how common a person looks; divided by this it says how much nearer the
    release is than strangers are (the calibration by difficulty of Watson et al., ICLR 2022).
    """
    k = min(NEIGHBOURS, len(reference))
    out = np.empty(len(embedded), dtype=np.float64)
    points = reference.points[reference.starts]
    for first, block in by_subject(points, embedded):
        out[first : first + block.shape[1]] = np.partition(block, k - 1, axis=0)[:k].mean(axis=0)
    return out


def relative_distance(
    centres: np.ndarray, embedded: EmbeddedSubjects, reference: EmbeddedSubjects
) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest centre over `ordinary_distance`, float64 [S], and which centre, int64 [S]."""
    nearest, which = nearest_centre(centres, embedded)
    return nearest / np.maximum(ordinary_distance(embedded, reference), 1e-12), which


def auroc_with_null(
    scores: np.ndarray, codes: np.ndarray, train: np.ndarray, blocks: int, foretold: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """AUROC of `scores` [N] (high = train) and its permutation distribution float64 [P].

    `codes` int16 [P, N] as in `game.permuted_codes`; the AUROC is the Mann-Whitney statistic, ties averaged. What is
    `foretold` of each rank, float64 [N] of mean 0, is subtracted, as `bounds.auroc_estimate` does.
    """
    ranks = mid_ranks(scores) - (0.0 if foretold is None else foretold)
    positives = int(train.sum())
    negatives = len(train) - positives
    offset, pairs = positives * (positives + 1) / 2.0, positives * negatives
    null = np.empty(len(codes))
    for begin in range(0, len(codes), 1024):
        null[begin : begin + 1024] = ((codes[begin : begin + 1024] >> 1) < blocks) @ ranks
    return float((ranks[train].sum() - offset) / pairs), (null - offset) / pairs
