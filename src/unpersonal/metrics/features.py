"""Matrices of features: what is accepted, and how two sets are brought to equal size."""

from __future__ import annotations

import numpy as np


def as_features(values: np.ndarray, name: str = "features") -> np.ndarray:
    """`values` as float64 [n, d]; `ValueError` unless it is a finite, non-empty matrix."""
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] == 0 or matrix.shape[1] == 0:
        raise ValueError(f"{name} must be a matrix with rows and columns, not of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} contain NaN or infinity")
    return matrix


def same_width(*matrices: np.ndarray) -> None:
    """`ValueError` unless all matrices have the same number of columns."""
    widths = {matrix.shape[1] for matrix in matrices}
    if len(widths) > 1:
        raise ValueError(f"feature matrices differ in width: {sorted(widths)}")


def equal_share(rows: np.ndarray, size: int, subset: np.ndarray | None, rng: np.random.Generator | None) -> np.ndarray:
    """`rows[subset]` if given, all rows if there are at most `size`, else `size` random ones."""
    if subset is not None:
        return rows[np.asarray(subset)]
    return rows[share_rows(rows.shape[0], size, rng)]


def share_rows(count: int, size: int, rng: np.random.Generator | None) -> np.ndarray:
    """The numbers int64 of all of `count` rows if there are at most `size`, else of `size` random ones."""
    if count <= size:
        return np.arange(count)
    if rng is None:
        raise ValueError("sets of unequal size need a subset or a generator to draw one")
    return rng.choice(count, size=size, replace=False)
