"""Membership by density: is the release denser at train subjects than people are (reversed: thinner)?

DOMIAS (van Breugel et al., AISTATS 2023, equation 2): the ratio of the density of the release at a person to that of
the population, which tells a generator's over-fitting from a person's being common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..membership_points import WIDTH, FittedPoints, PointScore, fit_points, log_kernels, usual_distance


@dataclass(frozen=True)
class DensityRatio:
    """Logarithm of the ratio of two kernel estimates, both of the width that suits the point's surroundings."""

    released: np.ndarray
    reference: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        widths = WIDTH * usual_distance(points, self.reference)
        release, population = (log_kernels(points, each, widths) for each in (self.released, self.reference))
        ratio: np.ndarray = (release - np.log(len(self.released))) - (population - np.log(len(self.reference)))
        return ratio


def fit_density_ratio(released: np.ndarray, reference: np.ndarray, seed: int) -> PointScore:
    """Nothing is learnt but the places of both."""
    return DensityRatio(released, reference)


class DensityAttack:
    """Density of the release over density of auxiliary people."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: Config) -> FittedPoints:
        """Fit both densities."""
        return fit_points(background, fit_density_ratio)


ATTACK = DensityAttack()
