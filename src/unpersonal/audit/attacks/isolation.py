"""Isolation by balls around released images, as pictures look: the primary attack, at two weights of predicates."""

from __future__ import annotations

from dataclasses import dataclass

from ..attack import AttackNeeds, Predicates
from ..background import PRIMARY, Background
from ..config import WeightConfig
from ..target import Target


@dataclass(frozen=True)
class FittedIsolation:
    """The attack with its predicates fixed."""

    background: Background
    weight: float
    larger: float

    def run(self, target: Target) -> tuple[Predicates, ...]:
        """Who satisfies the predicates at both weights; the smaller its ball, the surer is a predicate."""
        balls = self.background.balls(PRIMARY)
        small, large = target.hits(self.background, PRIMARY, self.weight, self.larger)
        return (
            Predicates(small, -balls.radii(self.weight), self.weight),
            Predicates(large, -balls.radii(self.larger), self.larger, name="larger_weight"),
        )


class IsolationAttack:
    """Are train subjects isolated more often than control subjects?"""

    config = WeightConfig
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: WeightConfig) -> FittedIsolation:
        """Fix the radii of the predicates."""
        background.balls(PRIMARY)
        return FittedIsolation(
            background,
            options.primary(background.side, len(background.released)),
            options.secondary(background.side, len(background.released)),
        )


ATTACK = IsolationAttack()
