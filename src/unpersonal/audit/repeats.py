"""Repeats within a release: released images that are as alike as no two strangers are.

They are looked at before anything is counted: a picture that was released c times is evidence of one, and a generator
that draws one picture again and again has learnt it by heart, whoever it shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..metrics.copies import contrast_maps
from .copied_figures import RepeatFigures
from .tolerance import Tolerance, tolerance_limit

LEVEL = 0.05
"""Probability at most that a release without repeats has a pair that is called one."""
LEAST_APART = 1e-4
"""One minus the correlation below which two images are the same up to rounding."""
BLOCK = 1024
"""Images compared with all others at once, so that memory is bounded."""


@dataclass(frozen=True)
class Repeats:
    """The cluster of each of m released pictures, int64 [m], numbered in the order of their first one; and of which
    pairs (i < j, int64 [p, 2]) they are made.
    """

    cluster: np.ndarray
    pairs: np.ndarray
    likeness: float
    strangers: int

    @property
    def first(self) -> np.ndarray:
        """The first picture of each cluster."""
        return np.unique(self.cluster, return_index=True)[1]

    def beside(self, pictures: np.ndarray) -> np.ndarray:
        """`pictures` int64 and those that repeat one of them, in ascending order."""
        given = np.isin(self.pairs, pictures)
        found: np.ndarray = np.union1d(pictures, self.pairs[given.any(axis=1)].ravel()).astype(np.int64)
        return found

    @property
    def figures(self) -> RepeatFigures:
        """Numbers of images, which are no people."""
        sizes = np.bincount(self.cluster)
        return RepeatFigures(
            images=int(sizes[sizes > 1].sum()),
            clusters=int((sizes > 1).sum()),
            largest=int(sizes.max(initial=0)),
            likeness=self.likeness,
            strangers=self.strangers,
        )


def find_repeats(released: np.ndarray, picture_of: np.ndarray, strangers: np.ndarray) -> Repeats:
    """Repeats among `released` views uint8 [m,C,H,W] of pictures int64 [m], by how alike `strangers` uint8 [s,C,H,W],
    one image each, are.

    Where the strangers are too few to carry a limit only images that are the same up to rounding are repeats.
    """
    count = int(picture_of.max()) + 1
    limit = _limit(strangers, len(released))
    apart = max(float(np.exp(-limit.limit)), LEAST_APART) if limit else LEAST_APART
    rows = _unit_rows(released)
    pairs = [np.empty((0, 2), np.int64)]
    for start in range(0, len(rows), BLOCK):
        one, other = np.nonzero(rows[start : start + BLOCK] @ rows.T >= 1.0 - apart)
        found = np.stack([picture_of[one + start], picture_of[other]], axis=1)
        pairs.append(found[found[:, 0] < found[:, 1]])
    every = np.unique(np.concatenate(pairs), axis=0)
    return Repeats(_clusters(every, count), every, 1.0 - apart, limit.known if limit else 0)


def _limit(strangers: np.ndarray, count: int) -> Tolerance | None:
    """Limit of -log(1 - correlation) with the likest of `count` others; strangers have fewer others to be like."""
    rows = _unit_rows(strangers)
    if len(rows) < 2:
        return None
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -1.0)
    share = LEVEL / max(count, 1) * min(len(rows) / max(count, 1), 1.0)
    return tolerance_limit(-np.log(np.maximum(1.0 - likeness.max(axis=1), LEAST_APART)), share)


def _unit_rows(images: np.ndarray) -> np.ndarray:
    """Local-contrast maps as rows float32 of mean 0 and length 1; an empty picture is like none."""
    rows = contrast_maps(images).reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-3)
    return unit


def _clusters(pairs: np.ndarray, count: int) -> np.ndarray:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    found: np.ndarray = np.argsort(np.argsort(first))[numbers].astype(np.int64)
    return found
