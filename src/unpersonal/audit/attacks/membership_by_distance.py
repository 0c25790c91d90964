"""Membership by distance: are train subjects nearer to the release than control subjects (reversed: farther)?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..distances import distances
from ..membership_points import FittedPoints, PointScore, fit_points, in_chunks, usual_distance

NOTHING = 1e-3
"""Share of the usual distance below which there is none."""


@dataclass(frozen=True)
class RelativeNearness:
    """Minus the logarithm of the distance to the nearest released point over that to the 5 nearest strangers.

    Distance to the release alone mostly says how common a person looks (calibration by difficulty: Watson et al., ICLR
    2022).
    """

    released: np.ndarray
    reference: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        nearest = np.empty(len(points))
        for rows, part in in_chunks(points):
            nearest[rows] = distances(part, self.released).min(axis=1)
        usual = usual_distance(points, self.reference)
        found: np.ndarray = np.log(usual / np.maximum(nearest, NOTHING * usual))
        return found


def fit_nearness(released: np.ndarray, reference: np.ndarray, seed: int) -> PointScore:
    """Nothing is learnt but the places of both."""
    return RelativeNearness(released, reference)


class DistanceAttack:
    """Distance to the nearest released image, relative to how near strangers come."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: Config) -> FittedPoints:
        """Place the released images in the space."""
        return fit_points(background, fit_nearness)


ATTACK = DistanceAttack()
