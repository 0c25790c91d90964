"""The gate: veto first, rank after. What is not proven clean is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ruling:
    """The gate's word on B candidates: `score` [B], `nearest` [B] (row in the gallery), `flagged` bool [B]."""

    score: np.ndarray
    nearest: np.ndarray
    flagged: np.ndarray


def rule(scores: np.ndarray, nearest: np.ndarray, threshold: float) -> Ruling:
    """Flag every candidate whose best score against all train images is not strictly below `threshold`.

    The comparison is written so that NaN, infinity or a threshold that is not finite flags (fail closed).
    """
    clean = np.isfinite(scores) & (scores < threshold) & bool(np.isfinite(threshold))
    return Ruling(scores, nearest, ~clean)


def choose(
    sources: np.ndarray, flagged: np.ndarray, probabilities: np.ndarray, wanted: dict[int, np.ndarray]
) -> dict[int, int]:
    """For each source its clean candidate closest in class probabilities; sources without one are absent.

    `sources` [B] names each candidate's source, `probabilities` [B,C] are the classifier's, `wanted[source]` [C] the
    classifier's for the source image. Distance is L1; ties go to the earlier candidate. Flagged candidates are
    removed before any distance is looked at. Returns source to candidate index in 0..B-1.
    """
    chosen: dict[int, int] = {}
    for index in np.flatnonzero(~flagged):
        source = int(sources[index])
        distance = np.abs(probabilities[index] - wanted[source]).sum()
        if not np.isfinite(distance):
            continue
        if source not in chosen or distance < np.abs(probabilities[chosen[source]] - wanted[source]).sum():
            chosen[source] = int(index)
    return chosen
