"""Isolation by balls around released images, as pictures look: the primary attack, at two weights of predicates."""

from __future__ import annotations

from dataclasses import dataclass

from ..attack import Needs, Statistic
from ..background import PRIMARY, Background
from ..config import WeightConfig
from ..target import Target


@dataclass(frozen=True)
class _Fitted:
    background: Background
    weight: float
    larger: float

    def run(self, target: Target) -> tuple[Statistic, ...]:
        """Advantage in the game at both weights."""
        target.hits(self.background, PRIMARY, self.weight, self.larger)
        games = [target.isolation(self.background, PRIMARY, weight) for weight in (self.weight, self.larger)]
        return (
            Statistic(games[0].advantage, games[0].null),
            Statistic(games[1].advantage, games[1].null, name="larger_weight"),
        )


class _Attack:
    """Are train subjects isolated more often than control subjects?"""

    config = WeightConfig
    needs = Needs(spaces=(PRIMARY,))

    def fit(self, background: Background, options: WeightConfig) -> _Fitted:
        """Fix the radii of the predicates."""
        background.balls(PRIMARY)
        return _Fitted(background, options.primary(background.side), options.secondary(background.side))


ATTACK = _Attack()
