"""Membership by local likelihood: do the released images near a person become likelier by that person?

Gen-LRA (Ward et al., "Privacy Auditing Synthetic Data Release through Local Likelihood Attacks", 2025): the likelihood
of the released images nearest to x under a density of reference people and x, over that of reference people alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..distances import distances
from ..membership_points import (
    WIDTH,
    FittedPoints,
    PointScore,
    fit_points,
    in_chunks,
    log_kernels,
    usual_distance,
)

NEAREST = 5
"""Released images around a person whose likelihood is asked."""


@dataclass(frozen=True)
class LocalLikelihood:
    """Logarithm of the likelihood ratio of the nearest released points.

    With n reference points, p(s | R and x) = (n p(s | R) + K(s - x)) / (n + 1), so that the ratio at s is
    1 + K(s - x) / sum of K(s - r), up to the factor n / (n + 1). `widths` [m] are those of the kernels at the released
    points, `explained` [m] the logarithms of the sums.
    """

    released: np.ndarray
    widths: np.ndarray
    explained: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        found, k = np.empty(len(points)), min(NEAREST, len(self.released))
        for rows, part in in_chunks(points):
            away = distances(part, self.released).astype(np.float64)
            near = np.argpartition(away, k - 1, axis=1)[:, :k]
            kernel = -0.5 * (np.take_along_axis(away, near, axis=1) / self.widths[near]) ** 2
            found[rows] = np.logaddexp(0.0, kernel - self.explained[near]).sum(axis=1)
        return found


def fit_local_likelihood(released: np.ndarray, reference: np.ndarray, seed: int) -> PointScore:
    """The widths are those that suit the surroundings of each released point."""
    widths = WIDTH * usual_distance(released, reference)
    return LocalLikelihood(released, widths, log_kernels(released, reference, widths))


class LikelihoodAttack:
    """Likelihood ratio of the released images around a person."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: Config) -> FittedPoints:
        """Find how well reference people explain each released image."""
        return fit_points(background, fit_local_likelihood)


ATTACK = LikelihoodAttack()
