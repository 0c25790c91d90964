"""Isolation by margin: "nearer to this released image than to any of some strangers, by a factor".

Whether an image is in such a region can be told from that image alone. Strangers are the auditor's own people, or the
other released images but for those that repeat the nearest one: a second copy of somebody must not hide the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..clusters import bets_on, find_clusters
from ..config import WeightConfig
from ..distances import CHUNK, distances
from ..images import SubjectImages
from ..predicates import CertifiedFamilies, certify_pointing
from ..spaces import Space


@dataclass(frozen=True)
class Margin:
    """Distance to the nearest of centres [p, k] over that to the nearest other point.

    `others` [s, k] are the points of strangers, None for the other centres; of these, centres of the same `cluster`
    or `picture` int64 [p] are no others.
    """

    space: Space
    centres: np.ndarray
    cluster: np.ndarray
    picture: np.ndarray
    others: np.ndarray | None

    def __len__(self) -> int:
        return len(self.centres)

    def point(self, given: SubjectImages) -> tuple[np.ndarray, np.ndarray]:
        """See `Pointing.point`."""
        points = self.space.embed(given.images)
        which, value = np.empty(len(points), np.int64), np.empty(len(points))
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            block = distances(self.centres, points[part])
            index = np.arange(block.shape[1])
            which[part] = best = block.argmin(axis=0)
            value[part] = block[best, index] / np.maximum(self._second(block, best, points[part]), 1e-12)
        return which, value

    def _second(self, block: np.ndarray, best: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Distance [n] to the nearest other point, of distances [p, n] to centres of which `best` [n] is nearest."""
        if self.others is not None:
            nearest: np.ndarray = distances(self.others, points).min(axis=0)
            return nearest
        same = (self.cluster[:, None] == self.cluster[best]) | (self.picture[:, None] == self.picture[best])
        second: np.ndarray = np.where(same, np.inf, block).min(axis=0)
        return np.where(np.isfinite(second), second, 0.0)


class MarginIsolationAttack:
    """Nearest against second nearest, of strangers and of released images."""

    config = WeightConfig
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: WeightConfig) -> CertifiedFamilies:
        """Fix the factors."""
        weight = options.primary(background.side, len(background.released))
        balls, reference = background.balls(PRIMARY), background.reference(PRIMARY)
        cluster = find_clusters(balls, background.picture_of, weight).of_image
        given = background, bets_on(background, PRIMARY, weight), weight
        others = {"": reference.points[reference.starts], "of_released": None}
        return CertifiedFamilies(
            tuple(
                certify_pointing(
                    Margin(balls.space, balls.centres, cluster, background.picture_of, points), *given, name
                )
                for name, points in others.items()
            ),
            weight,
        )


ATTACK = MarginIsolationAttack()
