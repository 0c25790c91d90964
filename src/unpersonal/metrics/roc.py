"""Ranking quality: ROC curve and the area under it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def _checked(scores: ArrayLike, positives: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    s = np.asarray(scores, dtype=np.float64)
    y = np.asarray(positives).astype(bool)
    if s.ndim != 1 or s.shape != y.shape:
        raise ValueError(f"one score per row is needed: scores {s.shape}, positives {y.shape}")
    if np.isnan(s).any():
        raise ValueError("scores contain NaN")
    return s, y


def mid_ranks(values: ArrayLike) -> np.ndarray:
    """Rank of every value from 1, the mean rank where values are equal; float64 [n] of `values` [n]."""
    _, groups, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2.0)[groups]
    return ranks


def auroc(scores: ArrayLike, positives: ArrayLike) -> float:
    """P(score of a positive > score of a negative) + P(equal) / 2 (Mann & Whitney 1947).

    `scores` [n] real, higher means more positive; `positives` [n] bool. NaN if one of the two groups is empty.
    """
    s, y = _checked(scores, positives)
    n_positive = int(y.sum())
    n_negative = y.size - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    rank_sum = float(mid_ranks(s)[y].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2.0) / (n_positive * n_negative)


def macro_auroc(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Mean AUROC over the classes; `probabilities` [n, C], `targets` [n, C] multi-hot.

    A class without positives or without negatives has no AUROC and is left out; NaN if that leaves none.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    t = np.asarray(targets)
    if p.ndim != 2 or p.shape != t.shape:
        raise ValueError(f"probabilities {p.shape} and targets {t.shape} must both be [n, C]")
    values = [auroc(p[:, c], t[:, c] > 0.5) for c in range(p.shape[1])]
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")


def roc_curve(scores: ArrayLike, positives: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(false-positive rate, true-positive rate, threshold), float64 [t] each, from (0, 0) to (1, 1).

    A row is called positive where score >= threshold; the first threshold is +inf. The trapezoid area equals `auroc`.
    Both groups must be present, else `ValueError`.
    """
    s, y = _checked(scores, positives)
    if not y.any() or y.all():
        raise ValueError("a ROC curve needs positives and negatives")
    order = np.argsort(-s, kind="stable")
    s, y = s[order], y[order]
    last_of_run = np.append(np.flatnonzero(np.diff(s)), s.size - 1)
    true_positives = np.cumsum(y)[last_of_run]
    false_positives = last_of_run + 1 - true_positives
    fpr = np.append(0.0, false_positives / false_positives[-1])
    tpr = np.append(0.0, true_positives / true_positives[-1])
    return fpr, tpr, np.append(np.inf, s[last_of_run])


def as_frequent(probabilities: np.ndarray, positives: np.ndarray) -> float:
    """A threshold in (0, 1) that as many of `probabilities` [n] exceed as there are `positives` [n]; 0.5 where none.

    It lies half-way between the two probabilities that it parts.
    """
    count = int((positives > 0.5).sum())
    if not count:
        return 0.5
    ordered = np.sort(probabilities)[::-1]
    below = ordered[count] if count < len(ordered) else 0.0
    return float(np.clip((ordered[count - 1] + below) / 2, 1e-6, 1 - 1e-6))
