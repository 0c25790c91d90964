"""Isolation by balls around released images, as their edges look: another view, blind to changes of exposure."""

from __future__ import annotations

from dataclasses import dataclass

from ..attack import Needs, Statistic
from ..background import Background
from ..config import WeightConfig
from ..target import Target

SPACE = "gradient"


@dataclass(frozen=True)
class _Fitted:
    background: Background
    weight: float

    def run(self, target: Target) -> tuple[Statistic, ...]:
        """Advantage in the game at the primary weight."""
        game = target.isolation(self.background, SPACE, self.weight)
        return (Statistic(game.advantage, game.null),)


class _Attack:
    """Are train subjects isolated more often than control subjects?"""

    config = WeightConfig
    needs = Needs(spaces=(SPACE,))

    def fit(self, background: Background, options: WeightConfig) -> _Fitted:
        """Fix the radii of the predicates."""
        background.balls(SPACE)
        return _Fitted(background, options.primary(background.side))


ATTACK = _Attack()
