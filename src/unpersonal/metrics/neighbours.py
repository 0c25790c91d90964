"""Euclidean nearest neighbours, exact in float64 (shapes: queries [q, d], references [r, d])."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial.distance import cdist

from .features import as_features, same_width

CHUNK_BYTES = 64 * 2**20
"""Largest distance block held at once."""


def distance_blocks(queries: np.ndarray, references: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, distances float64 [rows, r]) over consecutive blocks of query rows.

    Differences are formed before squaring, so an exact copy has distance exactly 0 and ties are exact; the faster
    |x|^2 + |y|^2 - 2xy would blur both, and both decide about privacy here.
    """
    step = max(1, CHUNK_BYTES // (8 * references.shape[0]))
    for start in range(0, queries.shape[0], step):
        rows = slice(start, min(start + step, queries.shape[0]))
        yield rows, cdist(queries[rows], references)


def nearest(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row number int64 [q], distance float64 [q]) of the nearest reference; the lowest row number wins a tie."""
    queries, references = as_features(queries, "queries"), as_features(references, "references")
    same_width(queries, references)
    index = np.empty(queries.shape[0], dtype=np.int64)
    distance = np.empty(queries.shape[0], dtype=np.float64)
    for rows, block in distance_blocks(queries, references):
        index[rows] = block.argmin(axis=1)
        distance[rows] = block.min(axis=1)
    return index, distance


def own_radius(rows_of_set: np.ndarray, k: int) -> np.ndarray:
    """Distance from every row to its k-th nearest OTHER row of the same set, float64 [n]; needs n > k."""
    matrix = as_features(rows_of_set)
    n = matrix.shape[0]
    if not 1 <= k < n:
        raise ValueError(f"the {k}-th nearest other row does not exist among {n} rows")
    radius = np.empty(n, dtype=np.float64)
    for rows, block in distance_blocks(matrix, matrix):
        block[np.arange(block.shape[0]), np.arange(rows.start, rows.stop)] = np.inf
        radius[rows] = np.partition(block, k - 1, axis=1)[:, k - 1]
    return radius
