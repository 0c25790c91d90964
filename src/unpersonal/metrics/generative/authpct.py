"""AuthPct: share of synthetic images that are not nearer to a training image than its own neighbour is.

Alaa et al., "How Faithful is your Synthetic Data?", arXiv 2102.08921, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...core.config import Config
from ..features import as_features
from ..metric import FeatureSets, Figure, Need
from ..neighbours import nearest, own_radius


def authentic(train: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """bool [m]: is the nearest train row of a synthetic row nearer to another train row than to the synthetic one?"""
    train = as_features(train, "train")
    hit, distance = nearest(synthetic, train)
    return own_radius(train, 1)[hit] < distance


def authpct(train: np.ndarray, synthetic: np.ndarray) -> float:
    """Percentage (0 to 100) of authentic rows; the published package reports this number minus 50."""
    return 100.0 * float(authentic(train, synthetic).mean())


class AuthenticityMetric:
    """Share of synthetic rows that are not copies of their nearest train row."""

    config = Config
    keys = ("authpct",)
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """Percentage of authentic synthetic rows."""
        return {"authpct": authpct(sets.train, sets.synthetic)}


METRIC = AuthenticityMetric()
