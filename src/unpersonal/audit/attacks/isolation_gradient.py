"""Isolation by balls around released images, as their edges look: another view, blind to changes of exposure."""

from __future__ import annotations

from ..attack import AttackNeeds
from ..background import Background
from ..clusters import bets_on
from ..config import WeightConfig
from .isolation import FittedBalls

SPACE = "gradient"


class GradientIsolationAttack:
    """Are train subjects isolated more often than control subjects?"""

    config = WeightConfig
    needs = AttackNeeds(spaces=(SPACE,))

    def fit(self, background: Background, options: WeightConfig) -> FittedBalls:
        """Fix the radii of the predicates."""
        weight = options.primary(background.side, len(background.released))
        return FittedBalls(background, SPACE, {"": weight}, bets_on(background, SPACE, weight))


ATTACK = GradientIsolationAttack()
