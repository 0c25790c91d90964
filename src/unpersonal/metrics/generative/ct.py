"""C_T: three-sample test of data copying (Meehan, Chaudhuri & Dasgupta, arXiv 2004.05675).

Is the synthetic set nearer to the training set than fresh real data are? Negative: nearer, copying. Positive: farther.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..features import as_features, same_width
from ..metric import FeatureSets, Figure, Need
from ..neighbours import nearest

CELLS = 3
COMPONENTS = 64
"""Features wider than this are first projected on as many principal components of train."""

LEAST_SYNTHETIC = 20
"""A cell counts if it holds more synthetic rows than this."""

Cells = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class CopyTest:
    """`value` is the mean of `z_per_cell` over the cells `used`, weighted by their share of test rows."""

    value: float
    z_per_cell: tuple[float | None, ...]
    """None where a cell lacks rows of one of the three sets."""
    test_share: tuple[float, ...]
    synthetic_share: tuple[float, ...]
    train_share: tuple[float, ...]
    used: tuple[bool, ...]


def z_score(train: np.ndarray, test: np.ndarray, synthetic: np.ndarray) -> float:
    """Z of the Mann–Whitney statistic of nearest-train distances, synthetic against test (section 3 of the paper).

    Z = (U - (n m / 2 - 1/2)) / sqrt(n m (n + m + 1) / 12), U = number of (synthetic, test) pairs in which the synthetic
    row is farther from train, equal distances counting half.
    """
    far_synthetic = nearest(synthetic, train)[1]
    far_test = np.sort(nearest(test, train)[1])
    n, m = far_synthetic.size, far_test.size
    below = np.searchsorted(far_test, far_synthetic, side="left")
    not_above = np.searchsorted(far_test, far_synthetic, side="right")
    u = 0.5 * float((below + not_above).sum())
    return float((u - (n * m / 2.0 - 0.5)) / np.sqrt(n * m * (n + m + 1) / 12.0))


def project(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """All sets on the first `COMPONENTS` principal axes of train; unchanged where they are no wider than that."""
    if train.shape[1] <= COMPONENTS:
        return [train, *others]
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:COMPONENTS]
    return [(rows - mean) @ axes.T for rows in (train, *others)]


def _k_means(train: np.ndarray, test: np.ndarray, synthetic: np.ndarray, rng: np.random.Generator) -> Cells:
    from sklearn.cluster import KMeans

    seed = int(rng.integers(2**31 - 1))
    model = KMeans(n_clusters=min(CELLS, np.unique(train, axis=0).shape[0]), n_init=10, random_state=seed).fit(train)
    return model.labels_, model.predict(test), model.predict(synthetic)


def _z_of_cell(sets: list[np.ndarray], cells: Cells, cell: int) -> float:
    train, test, synthetic = (rows[labels == cell] for rows, labels in zip(sets, cells, strict=True))
    return z_score(train, test, synthetic)


def ct(
    train: np.ndarray,
    test: np.ndarray,
    synthetic: np.ndarray,
    *,
    cells: Cells | None = None,
    rng: np.random.Generator | None = None,
) -> CopyTest:
    """C_T of train [n, d], test [m, d] and synthetic [s, d].

    `cells` are recorded cell numbers of all train, test and synthetic rows; otherwise k-means on train, seeded by
    `rng`.
    `ValueError` if no cell has enough synthetic rows beside train and test rows.
    """
    sets = [as_features(train, "train"), as_features(test, "test"), as_features(synthetic, "synthetic")]
    same_width(*sets)
    sets = project(*sets)
    if cells is None:
        if rng is None:
            raise ValueError("C_T needs recorded cells or a generator to seed the clustering")
        cells = _k_means(sets[0], sets[1], sets[2], rng)
    numbers = range(int(max(labels.max() for labels in cells)) + 1)
    counts = np.array([[int((labels == cell).sum()) for cell in numbers] for labels in cells])
    z = [_z_of_cell(sets, cells, cell) if counts[:, cell].all() else None for cell in numbers]
    used = [value is not None and counts[2, cell] > LEAST_SYNTHETIC for cell, value in enumerate(z)]
    if not any(used):
        raise ValueError(f"no cell holds train and test rows and more than {LEAST_SYNTHETIC} synthetic rows")
    weights = np.where(used, counts[1], 0)
    value = sum(weight * score for weight, score in zip(weights, z, strict=True) if score is not None) / weights.sum()
    share = counts / np.array([[rows.shape[0]] for rows in sets])
    train_share, test_share, synthetic_share = (tuple(row) for row in share.tolist())
    return CopyTest(float(value), tuple(z), test_share, synthetic_share, train_share, tuple(used))


class CopyTestMetric:
    """Three-sample test of data copying."""

    config = Config
    keys = ("ct",)
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """C_T with cells by k-means on train."""
        return {"ct": ct(sets.train, sets.test, sets.synthetic, rng=sets.rng("ct")).value}


METRIC = CopyTestMetric()
