"""Rank what the gate let through: the candidate whose label is most like its source's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def choose(
    sources: np.ndarray, flagged: np.ndarray, probabilities: np.ndarray, of_source: Mapping[int, np.ndarray]
) -> dict[int, int]:
    """For each source its clean candidate closest in class probabilities; sources without one are absent.

    `sources` [B] names each candidate's source, `probabilities` [B,C] are the classifier's, `of_source[source]` [C] the
    classifier's for the source image. Distance is L1; ties go to the earlier candidate. Flagged candidates are
    removed before any distance is looked at. Returns source to candidate index in 0..B-1.
    """
    chosen: dict[int, int] = {}
    nearest: dict[int, float] = {}
    for index in np.flatnonzero(~flagged):
        source = int(sources[index])
        distance = float(label_distance(probabilities[index], of_source[source]))
        if np.isfinite(distance) and distance < nearest.get(source, np.inf):
            chosen[source], nearest[source] = int(index), distance
    return chosen


def label_distance(probabilities: np.ndarray, of_source: np.ndarray) -> float:
    """L1 distance of two vectors of class probabilities [C]."""
    return float(np.abs(probabilities - of_source).sum())
