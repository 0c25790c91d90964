"""Membership by distance: are train subjects nearer to the release than control subjects (reversed: farther)?"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.config import Config
from ..attack import AttackNeeds, Statistic
from ..background import PRIMARY, Background
from ..membership import auroc_with_null
from ..target import Target


@dataclass(frozen=True)
class FittedDistance:
    """The attack with the released images in place."""

    background: Background

    def run(self, target: Target) -> tuple[Statistic, ...]:
        """AUROC of nearness."""
        relative, _ = target.relative_distance(self.background)
        auroc, null = auroc_with_null(-relative, target.codes, target.train, target.roles.blocks)
        return (Statistic(auroc, null, chance=0.5),)


class DistanceAttack:
    """Distance to the nearest released image, relative to how near strangers come."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: Config) -> FittedDistance:
        """Place the released images in the space."""
        background.balls(PRIMARY)
        return FittedDistance(background)


ATTACK = DistanceAttack()
