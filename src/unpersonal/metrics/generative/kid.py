"""Kernel Inception Distance: unbiased squared MMD with a cubic kernel (Bińkowski et al., arXiv 1801.01401)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...core.config import Config
from ..features import as_features, same_width
from ..metric import FeatureSets, Figure, Need, measured

SUBSETS = 100
LARGEST_SUBSET = 1000


@dataclass(frozen=True)
class KernelDistance:
    """Mean over subsets; may be negative, because the estimate is unbiased."""

    per_subset: np.ndarray
    """float64 [subsets]"""
    subset_size: int

    @property
    def kid(self) -> float:
        """Mean over the subsets."""
        return float(self.per_subset.mean())

    @property
    def std(self) -> float:
        """Spread (population form) over the subsets."""
        return float(self.per_subset.std())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x . y / d + 1)^3 for all pairs, [n, m]."""
    base = x @ y.T / x.shape[1] + 1.0
    return base * base * base


def mmd2_unbiased(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased squared MMD of x [m, d] and y [m, d] (equation 4 of the paper, with the cubic kernel)."""
    m = x.shape[0]
    if y.shape[0] != m or m < 2:
        raise ValueError("the estimate wants two sets of the same size, at least two rows each")
    kxx, kyy, kxy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within = (kxx.sum() - np.trace(kxx) + kyy.sum() - np.trace(kyy)) / (m * (m - 1))
    return float(within - 2.0 * kxy.sum() / (m * m))


def kid_subset_size(n_reference: int, n_synthetic: int) -> int:
    """Rows per subset: at most 1000 and at most half of either set."""
    return min(LARGEST_SUBSET, n_reference // 2, n_synthetic // 2)


def kid(
    reference: np.ndarray,
    synthetic: np.ndarray,
    *,
    reference_subsets: np.ndarray | None = None,
    synthetic_subsets: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    subsets: int = SUBSETS,
) -> KernelDistance:
    """KID of `reference` [n, d] and `synthetic` [m, d] over random subsets.

    Row numbers of the subsets [subsets, size] may be given for both sides; otherwise `rng` draws each without
    replacement, `kid_subset_size` rows at a time.
    """
    x, y = as_features(reference, "reference"), as_features(synthetic, "synthetic")
    same_width(x, y)
    if reference_subsets is None or synthetic_subsets is None:
        if rng is None:
            raise ValueError("KID needs recorded subsets or a generator to draw them")
        size = kid_subset_size(x.shape[0], y.shape[0])
        if size < 2:
            raise ValueError("KID needs at least four rows in either set")
        reference_subsets = np.stack([rng.choice(x.shape[0], size, replace=False) for _ in range(subsets)])
        synthetic_subsets = np.stack([rng.choice(y.shape[0], size, replace=False) for _ in range(subsets)])
    pairs = zip(np.asarray(reference_subsets), np.asarray(synthetic_subsets), strict=True)
    values = np.array([mmd2_unbiased(x[a], y[b]) for a, b in pairs])
    return KernelDistance(per_subset=values, subset_size=int(np.shape(reference_subsets)[1]))


class KernelMetric:
    """Kernel distances of the synthetic set to both real sets."""

    config = Config
    keys = ("kid_train", "kid_test")
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """One figure per real set."""

        def against(name: str, rows: np.ndarray) -> float:
            return kid(rows, sets.synthetic, rng=sets.rng("kid", name)).kid

        return {f"kid_{name}": measured(partial(against, name, rows)) for name, rows, _ in sets.real}


METRIC = KernelMetric()
