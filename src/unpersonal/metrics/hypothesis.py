"""Tests of a difference between groups of subjects: permutation of membership, and Holm's correction."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm-adjusted p-values, float64, same shape and order (Holm, Scandinavian Journal of Statistics 1979).

    The i-th smallest of m is multiplied by m - i + 1; a running maximum keeps the order, and 1 is the ceiling.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.size == 0:
        return p.copy()
    if np.isnan(p).any() or (p < 0).any() or (p > 1).any():
        raise ValueError("p-values lie between 0 and 1")
    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    stepped = np.maximum.accumulate(flat[order] * np.arange(flat.size, 0, -1))
    adjusted = np.empty_like(flat)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.reshape(p.shape)


def permuted_within(values: ArrayLike, strata: ArrayLike, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Random re-assignments of what subjects carry, [permutations, n] of the dtype of `values`.

    `values` [n] is what each subject carries (bool: membership in train; or a code of its role), `strata` [n] names the
    stratum of each (label, images per subject, ...). Values are permuted within every stratum, independently and
    uniformly, so each row has the same values in every stratum as `values`.
    """
    carried, strata = np.asarray(values), np.asarray(strata)
    if carried.shape != strata.shape or carried.ndim != 1:
        raise ValueError(f"one stratum per subject is needed: {carried.shape} values, {strata.shape} strata")
    out = np.broadcast_to(carried, (permutations, carried.size)).copy()
    _, codes = np.unique(strata, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    for columns in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(np.unique(carried[columns])) > 1:
            out[:, columns] = rng.permuted(out[:, columns], axis=1)
    return out


def permutation_p(observed: float, null: ArrayLike) -> float:
    """One-sided p-value (1 + #{null >= observed}) / (1 + len(null)) (Phipson & Smyth 2010, eq. 2).

    Never 0. A null value within 1e-12 (relative) below the observed one counts as equal: rounding of equal
    statistics must not make a result look rarer than it is.
    """
    values = np.asarray(null, dtype=np.float64)
    if np.isnan(observed) or np.isnan(values).any():
        raise ValueError("a permutation test cannot use NaN")
    reached = int((values >= observed - 1e-12 * max(1.0, abs(observed))).sum())
    return (1 + reached) / (1 + values.size)
