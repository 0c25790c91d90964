"""Precision, recall (Kynkäänniemi et al., arXiv 1904.06991), density, coverage (Naeem et al., arXiv 2002.09797)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..features import as_features, equal_share, same_width
from ..metric import FeatureSets, Figure, Need
from ..neighbours import distance_blocks, own_radius

NEIGHBOURS = 5


@dataclass(frozen=True)
class Prdc:
    """Shares in [0, 1], except density, which may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(
    real: np.ndarray,
    synthetic: np.ndarray,
    *,
    k: int = NEIGHBOURS,
    real_subset: np.ndarray | None = None,
    synthetic_subset: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> Prdc:
    """The four figures of `synthetic` [m, d] against `real` [n, d], the larger first subsampled to equal size.

    A row's ball reaches to its k-th nearest OTHER row of its own set; being inside is strict. precision: share of
    synthetic rows inside some real ball; recall: share of real rows inside some synthetic ball; density: mean number of
    real balls around a synthetic row, over k; coverage: share of real rows with a synthetic row inside their ball.
    Recorded row numbers may replace the drawing by `rng`.
    """
    real, synthetic = as_features(real, "real"), as_features(synthetic, "synthetic")
    same_width(real, synthetic)
    real = equal_share(real, synthetic.shape[0], real_subset, rng)
    synthetic = equal_share(synthetic, real.shape[0], synthetic_subset, rng)
    real_radius, synthetic_radius = own_radius(real, k), own_radius(synthetic, k)
    balls_around = np.zeros(synthetic.shape[0], dtype=np.int64)
    recalled = np.zeros(real.shape[0], dtype=bool)
    covered = np.zeros(real.shape[0], dtype=bool)
    for rows, distance in distance_blocks(real, synthetic):
        inside_real = distance < real_radius[rows, None]
        balls_around += inside_real.sum(axis=0)
        covered[rows] = inside_real.any(axis=1)
        recalled[rows] = (distance < synthetic_radius[None, :]).any(axis=1)
    return Prdc(
        precision=float((balls_around > 0).mean()),
        recall=float(recalled.mean()),
        density=float(balls_around.mean() / k),
        coverage=float(covered.mean()),
    )


class PrdcMetric:
    """Precision, recall, density and coverage of the synthetic set."""

    config = Config
    keys = ("precision", "recall", "density", "coverage")
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """All four against train."""
        return dict(vars(prdc(sets.train, sets.synthetic, rng=sets.rng("prdc"))))


METRIC = PrdcMetric()
