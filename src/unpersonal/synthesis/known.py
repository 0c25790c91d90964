"""Counts of the cohort that no number of released images of a label set may repeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cohort.table import Cohort
from .histogram import SMALL


def known_counts(subjects: np.ndarray, parts: Sequence[np.ndarray]) -> frozenset[int]:
    """Images and subjects of a label set in each of `parts`, bool [n]; none where the first has `SMALL` of both."""
    counts = [(int(part.sum()), len(np.unique(subjects[part]))) for part in parts]
    return frozenset(count for pair in counts for count in pair) if min(counts[0]) < SMALL else frozenset()


def unrepeated(count: int, known: frozenset[int]) -> int:
    """The largest number up to `count` that is not `known`; 0 tells nothing."""
    while count and count in known:
        count -= 1
    return count


def repeating_rows(cohort: Cohort, targets: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """Rows that must go where `dropped` (int64) of the images with multi-hot `targets` [m,K] do, int64.

    Without them a label set would be left with as many images as it has images or subjects in the cohort.
    """
    kept, found = np.setdiff1d(np.arange(len(targets)), dropped), [np.empty(0, np.int64)]
    subjects, train = cohort.subjects.astype(str), cohort.splits == "train"
    for like in np.unique(targets[kept], axis=0):
        given = cohort.labelled & (cohort.targets == like).all(axis=1)
        rows = kept[(targets[kept] == like).all(axis=1)]
        found.append(rows[unrepeated(len(rows), known_counts(subjects, (given & train, given))) :])
    return np.concatenate(found)
