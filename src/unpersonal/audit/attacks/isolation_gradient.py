"""Isolation by balls around released images, as their edges look: another view, blind to changes of exposure."""

from __future__ import annotations

from dataclasses import dataclass

from ..attack import AttackNeeds, Predicates
from ..background import Background
from ..config import WeightConfig
from ..target import Target

SPACE = "gradient"


@dataclass(frozen=True)
class FittedGradientIsolation:
    """The attack with its predicates fixed."""

    background: Background
    weight: float

    def run(self, target: Target) -> tuple[Predicates, ...]:
        """Who satisfies the predicates at the primary weight."""
        (hits,) = target.hits(self.background, SPACE, self.weight)
        return (Predicates(hits, -self.background.balls(SPACE).radii(self.weight), self.weight),)


class GradientIsolationAttack:
    """Are train subjects isolated more often than control subjects?"""

    config = WeightConfig
    needs = AttackNeeds(spaces=(SPACE,))

    def fit(self, background: Background, options: WeightConfig) -> FittedGradientIsolation:
        """Fix the radii of the predicates."""
        background.balls(SPACE)
        return FittedGradientIsolation(background, options.primary(background.side, len(background.released)))


ATTACK = GradientIsolationAttack()
