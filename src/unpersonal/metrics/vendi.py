"""Vendi score: the effective number of distinct rows (Friedman & Dieng, arXiv 2210.02410; orders: arXiv 2310.12952)."""

from __future__ import annotations

import numpy as np

from .neighbours import as_features


def spectrum(features: np.ndarray) -> np.ndarray:
    """Positive eigenvalues of X X^T / n, rows of X scaled to unit length; they sum to 1. A zero row is an error."""
    x = as_features(features)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    if (length == 0).any():
        raise ValueError("a row of zeros has no direction")
    values = np.linalg.svd(x / length, compute_uv=False) ** 2 / x.shape[0]
    return values[values > 0]


def vendi(features: np.ndarray, order: float = 1.0) -> float:
    """Exponential of the Rényi entropy of the given order of the spectrum; between 1 and n.

    Order 1 is Shannon's exp(-sum l ln l), infinity gives 1 / max l, otherwise (sum l^q)^(1/(1-q)).
    """
    if order < 0:
        raise ValueError("the order of a Rényi entropy is not negative")
    values = spectrum(features)
    if order == 1:
        return float(np.exp(-(values * np.log(values)).sum()))
    if np.isinf(order):
        return float(1.0 / values.max())
    return float((values**order).sum() ** (1.0 / (1.0 - order)))
