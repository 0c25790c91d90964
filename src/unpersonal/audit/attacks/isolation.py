"""Isolation by balls: "somebody within r of this released image", as pictures look, at two weights of predicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..attack import AttackNeeds, Predicates
from ..background import PRIMARY, Background
from ..clusters import bets_on
from ..config import WeightConfig
from ..target import Target


@dataclass(frozen=True)
class FittedBalls:
    """The predicates around released images in one space, by name and weight."""

    background: Background
    space: str
    weights: dict[str, float]
    confidence: np.ndarray

    def run(self, target: Target) -> tuple[Predicates, ...]:
        """Whom the balls of each weight hold."""
        found = target.hits(self.background, self.space, *self.weights.values())
        return tuple(
            Predicates(hits, self.confidence, weight, name)
            for hits, (name, weight) in zip(found, self.weights.items(), strict=True)
        )


class IsolationAttack:
    """Are train subjects isolated more often than control subjects?"""

    config = WeightConfig
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: WeightConfig) -> FittedBalls:
        """Fix the radii of the predicates."""
        size = background.side, len(background.released)
        weights = {"": options.primary(*size), "larger_weight": options.secondary(*size)}
        return FittedBalls(background, PRIMARY, weights, bets_on(background, PRIMARY, weights[""]))


ATTACK = IsolationAttack()
