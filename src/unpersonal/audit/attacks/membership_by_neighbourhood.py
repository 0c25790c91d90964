"""Membership by neighbourhood: how many released images lie around a person, where auxiliary people lie as far off?

The Monte Carlo attack (Hilprecht et al., PoPETs 2019) counts released images within one radius for all; here the radii
are those of the person's own nearest auxiliary images, so that who looks common is not taken for a member.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..distances import distances
from ..membership_points import FittedPoints, PointScore, fit_points, in_chunks

RANKS = (1, 2, 4, 8)
"""Numbers of auxiliary images within the radii."""
SHARES = (0.35, 0.5, 0.7, 1.0)
"""Shares of each radius within which released images are counted: where they are many, some are nearer by chance."""


@dataclass(frozen=True)
class Neighbourhood:
    """Sum over radii of log(1 + released points within them)."""

    released: np.ndarray
    reference: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        found = np.zeros(len(points))
        ranks = [rank for rank in RANKS if rank <= len(self.reference)]
        for rows, part in in_chunks(points):
            radii = np.partition(distances(part, self.reference), [rank - 1 for rank in ranks], axis=1)
            away = np.sort(distances(part, self.released), axis=1)
            for rank in ranks:
                for share in SHARES:
                    inside = (away <= share * radii[:, rank - 1 : rank]).sum(axis=1)
                    found[rows] += np.log1p(inside)
        return found


def fit_neighbourhood(released: np.ndarray, reference: np.ndarray, seed: int) -> PointScore:
    """Nothing is learnt but the places of both."""
    return Neighbourhood(released, reference)


class NeighbourhoodAttack:
    """Released images within the radii of the nearest auxiliary ones."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: Config) -> FittedPoints:
        """Place the released images in the space."""
        return fit_points(background, fit_neighbourhood)


ATTACK = NeighbourhoodAttack()
