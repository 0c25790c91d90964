"""Isolation by balls around released images, as their edges look: another view, blind to changes of exposure."""

from __future__ import annotations

from dataclasses import dataclass

from ..attack import AttackNeeds, Statistic
from ..background import Background
from ..config import WeightConfig
from ..target import Target

SPACE = "gradient"


@dataclass(frozen=True)
class FittedGradientIsolation:
    """The attack with its predicates fixed."""

    background: Background
    weight: float

    def run(self, target: Target) -> tuple[Statistic, ...]:
        """Advantage in the game at the primary weight."""
        game = target.isolation(self.background, SPACE, self.weight)
        return (Statistic(game.advantage, game.null),)


class GradientIsolationAttack:
    """Are train subjects isolated more often than control subjects?"""

    config = WeightConfig
    needs = AttackNeeds(spaces=(SPACE,))

    def fit(self, background: Background, options: WeightConfig) -> FittedGradientIsolation:
        """Fix the radii of the predicates."""
        background.balls(SPACE)
        return FittedGradientIsolation(background, options.primary(background.side))


ATTACK = GradientIsolationAttack()
