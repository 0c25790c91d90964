"""Support: how much of a reference set is retrieved by the synthetic set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...core.config import Config
from ..metric import FeatureSets, Figure, Need
from ..neighbours import nearest


def support_fraction(reference: np.ndarray, synthetic: np.ndarray) -> float:
    """Distinct nearest reference rows of the synthetic rows, as a share of all reference rows (no subsampling)."""
    hit, _ = nearest(synthetic, reference)
    return np.unique(hit).size / np.shape(reference)[0]


class SupportMetric:
    """How much of each real set is retrieved."""

    config = Config
    keys = ("support_train", "support_test")
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """Share of retrieved rows of each real set."""
        return {f"support_{name}": support_fraction(rows, sets.synthetic) for name, rows, _ in sets.real}


METRIC = SupportMetric()
