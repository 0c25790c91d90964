"""Train and held-out people who can be compared: alike in their labels, one image of each."""

from __future__ import annotations

import numpy as np


def matched_pairs(
    subjects: np.ndarray,
    groups: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    count: int,
    rng: np.random.Generator,
    labelled: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (int64 [m], [m]) of up to `count` pairs of a train and a held-out image with the same labels.

    `subjects` [n] and `groups` [n] (label-set codes) are of the whole cohort, `train` and `held_out` rows of it. Every
    subject occurs once at most. Without this the files' order decides who is compared, and a difference between kinds
    of patients passes for memorisation or hides it. Where no labels are shared the pairs are of different labels.

    Train images that nobody labelled (`labelled` bool [n]; None: all were) are paired with held-out images of any
    labels, which give up to them their share of train: whom they would match nobody knows.
    """
    chosen = [_one_each(subjects, rows, rng) for rows in (train, held_out)]
    pairs = []
    if labelled is not None and not labelled[chosen[0]].all():
        bare = chosen[0][~labelled[chosen[0]]]
        share = -(-len(chosen[1]) * len(bare) // len(chosen[0]))
        pairs = list(zip(bare.tolist(), chosen[1][:share].tolist(), strict=False))
        chosen = [chosen[0][labelled[chosen[0]]], chosen[1][share:]]
    for group in np.unique(groups[chosen[1]]):
        both = [rows[groups[rows] == group] for rows in chosen]
        pairs += list(zip(both[0].tolist(), both[1].tolist(), strict=False))
    if not pairs:
        pairs = list(zip(chosen[0].tolist(), chosen[1].tolist(), strict=False))
    order = rng.permutation(len(pairs))[:count]
    picked = np.array(pairs, dtype=np.int64).reshape(-1, 2)[order]
    return picked[:, 0], picked[:, 1]


def _one_each(subjects: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One random row of each subject among `rows`, in random order."""
    shuffled = rng.permutation(rows)
    _, first = np.unique(subjects[shuffled].astype(str), return_index=True)
    return shuffled[np.sort(first)]
