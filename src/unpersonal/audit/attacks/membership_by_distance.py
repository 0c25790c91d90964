"""Membership by distance: are train subjects nearer to the release than control subjects (reversed: farther)?"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.config import Config
from ..attack import AttackNeeds, SubjectScores
from ..background import PRIMARY, Background
from ..target import Target


@dataclass(frozen=True)
class FittedDistance:
    """The attack with the released images in place."""

    background: Background

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        """Nearness."""
        relative, _ = target.relative_distance(self.background)
        return (SubjectScores(-relative),)


class DistanceAttack:
    """Distance to the nearest released image, relative to how near strangers come."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: Config) -> FittedDistance:
        """Place the released images in the space."""
        background.balls(PRIMARY)
        return FittedDistance(background)


ATTACK = DistanceAttack()
