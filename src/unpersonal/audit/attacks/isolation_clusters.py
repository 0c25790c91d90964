"""Isolation by repetition: "somebody within r of what released images that repeat each other have in common".

Large clusters are bet on first; an image that repeats none is a cluster of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..attack import AttackNeeds, Predicates
from ..background import PRIMARY, Background, Balls
from ..clusters import cluster_balls, find_clusters
from ..config import WeightConfig
from ..predicates import betting_order
from ..target import Target


@dataclass(frozen=True)
class FittedClusters:
    """Balls around the centres of clusters of released images; those bet on first have the highest confidence."""

    balls: Balls
    confidence: np.ndarray
    weight: float

    def run(self, target: Target) -> tuple[Predicates, ...]:
        """Whom the balls hold."""
        (hits,) = target.hits_of(self.balls, self.weight)
        return (Predicates(hits, self.confidence, self.weight),)


class ClusterIsolationAttack:
    """Centres of released images that repeat each other."""

    config = WeightConfig
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: WeightConfig) -> FittedClusters:
        """Find the clusters at the weight at which chance brings few images together, and fix the radii."""
        weight = options.primary(background.side, len(background.released))
        clusters = find_clusters(background.balls(PRIMARY), background.picture_of, weight)
        balls = cluster_balls(background, clusters)
        return FittedClusters(balls, betting_order(clusters.sizes, balls.tails.radius_k), weight)


ATTACK = ClusterIsolationAttack()
