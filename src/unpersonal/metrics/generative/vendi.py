"""Vendi score: the effective number of distinct rows (Friedman & Dieng, arXiv 2210.02410; orders: arXiv 2310.12952)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from ...core.config import Config
from ..features import as_features
from ..metric import FeatureSets, Figure, Need, measured


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


class VendiMetric:
    """Effective numbers of distinct rows."""

    config = Config
    keys = (
        "vendi_train",
        "vendi_test",
        "vendi_synthetic",
        "vendi_synthetic_order2",
        "vendi_synthetic_order_inf",
    )
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """Order 1 of each set, orders 2 and infinity of the synthetic one."""
        asked = (
            ("vendi_train", sets.train, 1.0),
            ("vendi_test", sets.test, 1.0),
            ("vendi_synthetic", sets.synthetic, 1.0),
            ("vendi_synthetic_order2", sets.synthetic, 2.0),
            ("vendi_synthetic_order_inf", sets.synthetic, np.inf),
        )
        return {key: measured(partial(vendi, rows, order)) for key, rows, order in asked}


METRIC = VendiMetric()
