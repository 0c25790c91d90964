"""Macro AUROC over bootstrap samples of subjects, all samples at once. Legend: R samples, n images, K classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

BLOCK = 2**22
"""Numbers that are at hand at once."""


def resampled_counts(subjects: np.ndarray, replicates: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each of n images is in each bootstrap sample of its `subjects` [n]: blocks of float64 [r, n].

    Every sample draws as many subjects as there are, with replacement, with all their images (cluster bootstrap,
    Davison & Hinkley 1997, section 3.8); the draws are those of `metrics.intervals.subject_bootstrap`.
    """
    names, codes = np.unique(np.asarray(subjects).astype(str), return_inverse=True)
    count, block = len(names), max(BLOCK // max(len(codes), 1), 1)
    for start in range(0, replicates, block):
        draws = [rng.integers(0, count, size=count) for _ in range(min(block, replicates - start))]
        yield np.stack([np.bincount(draw, minlength=count) for draw in draws])[:, codes].astype(np.float64)


def weighted_auroc(scores: np.ndarray, positive: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """float64 [r]: `metrics.roc.auroc` of `scores` [n] and `positive` [n], each image counted `counts` [r, n] times.

    NaN in a sample where one of the two groups is empty.
    """
    order = np.argsort(scores, kind="stable")
    first = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    weights, above = counts[:, order], positive[order]
    alike = [np.add.reduceat(weights * side, first, axis=1) for side in (above, ~above)]
    totals = [part.sum(axis=1) for part in alike]
    below = np.cumsum(alike[1], axis=1) - alike[1] / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = (alike[0] * below).sum(axis=1) / (totals[0] * totals[1])
    return found


def resampled_aurocs(
    arms: Sequence[Sequence[np.ndarray]],
    targets: np.ndarray,
    subjects: np.ndarray,
    *,
    replicates: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """float64 [arms, R]: mean over an arm's classifiers of their macro AUROC, in the same samples of subjects.

    `arms` hold probabilities [n, K] of each classifier; `targets` [n, K], `subjects` [n]. A class without both outcomes
    in a sample is left out of its mean; NaN where that leaves none.
    """
    positive = np.asarray(targets) > 0.5
    blocks = []
    for counts in resampled_counts(subjects, replicates, rng):
        blocks.append([_macro(arm, positive, counts) for arm in arms])
    return np.concatenate([np.asarray(block) for block in blocks], axis=1)


def _macro(members: Sequence[np.ndarray], positive: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """float64 [r]: mean over `members` and over the classes that have both outcomes."""
    columns = range(positive.shape[1])
    values = np.array(
        [[weighted_auroc(np.asarray(m)[:, c], positive[:, c], counts) for c in columns] for m in members]
    ).mean(axis=0)
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
    return found
