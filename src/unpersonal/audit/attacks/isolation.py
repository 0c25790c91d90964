"""Isolation by balls around released images, as pictures look: the primary attack, at two weights of predicates."""

from __future__ import annotations

from dataclasses import dataclass

from ..attack import AttackNeeds, Statistic
from ..background import PRIMARY, Background
from ..config import WeightConfig
from ..target import Target


@dataclass(frozen=True)
class FittedIsolation:
    """The attack with its predicates fixed."""

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


class IsolationAttack:
    """Are train subjects isolated more often than control subjects?"""

    config = WeightConfig
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: WeightConfig) -> FittedIsolation:
        """Fix the radii of the predicates."""
        background.balls(PRIMARY)
        return FittedIsolation(background, options.primary(background.side), options.secondary(background.side))


ATTACK = IsolationAttack()
