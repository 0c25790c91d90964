"""Fréchet distance of two feature sets as Gaussians (FID; Heusel et al., arXiv 1706.08500, eq. 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..features import as_features, same_width
from ..metric import FeatureSets, Figure, Need, Noted


@dataclass(frozen=True)
class FrechetDistance:
    """`fid` = `mean` + `var` + `cov`, in squared feature units."""

    mean: float
    """Squared distance of the means."""
    var: float
    """Trace of both covariances."""
    cov: float
    """-2 tr sqrt(S1 S2), never positive."""

    @property
    def fid(self) -> float:
        """The distance itself, >= 0 up to rounding."""
        return self.mean + self.var + self.cov


def _root(rows: np.ndarray) -> np.ndarray:
    """A matrix R with R R^T = the unbiased covariance of `rows` [n, d]; [d, n] where there are fewer rows than columns.

    Eigenvalues that rounding made negative count as 0.
    """
    if len(rows) < rows.shape[1]:
        return (rows - rows.mean(axis=0)).T / np.sqrt(len(rows) - 1)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(rows, rowvar=False)))
    return vectors * np.sqrt(np.clip(values, 0.0, None))


def frechet_distance(reference: np.ndarray, synthetic: np.ndarray) -> FrechetDistance:
    """Fréchet distance of `reference` [n, d] and `synthetic` [m, d], unbiased covariances, float64.

    tr sqrt(S1 S2) is the sum of the singular values of R1^T R2 with Si = Ri Ri^T: no root of a non-symmetric matrix,
    hence real and stable where a covariance is singular (fewer rows than columns, constant columns).
    """
    x, y = as_features(reference, "reference"), as_features(synthetic, "synthetic")
    same_width(x, y)
    if min(x.shape[0], y.shape[0]) < 2:
        raise ValueError("a covariance needs at least two rows in either set")
    difference = x.mean(axis=0) - y.mean(axis=0)
    traces = x.var(axis=0, ddof=1).sum() + y.var(axis=0, ddof=1).sum()
    overlap = np.linalg.svd(_root(x).T @ _root(y), compute_uv=False).sum()
    return FrechetDistance(mean=float(difference @ difference), var=float(traces), cov=float(-2.0 * overlap))


class FrechetMetric:
    """Fréchet distances of the three sets."""

    config = Config
    keys = ("fid", "fid_train", "fid_test", "fid_real")
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """`fid` is against test; `fid_real` is that of train against test, the floor."""
        smallest, width = min(len(sets.train), len(sets.test), len(sets.synthetic)), sets.train.shape[1]
        against_test = frechet_distance(sets.test, sets.synthetic).fid
        fid: Figure = against_test
        if smallest <= width:
            note = f"{smallest} rows do not span {width} dimensions: FID is inflated; compare equal sizes only"
            fid = Noted(against_test, note)
        return {
            "fid": fid,
            "fid_train": frechet_distance(sets.train, sets.synthetic).fid,
            "fid_test": against_test,
            "fid_real": frechet_distance(sets.train, sets.test).fid,
        }


METRIC = FrechetMetric()
