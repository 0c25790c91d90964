"""Membership by matching: do released images show train subjects more often than control subjects, however turned?

Every matcher names for each released image the subject of train and control that it is most like. Whom an image without
a leak is named after is chance, and falls on train and control by their numbers. Each matcher gives a score of every
subject.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds, SubjectScores
from ..background import Background
from ..membership_matches import match_scores, strongest
from ..target import Target


@dataclass(frozen=True)
class FittedMatching:
    """The attack with its matchers fitted."""

    background: Background

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        """How surely and how often subjects are named by each matcher."""
        pictures = self.background.picture_of
        namings = {name: strongest(each, pictures) for name, each in target.namings(self.background).items()}
        images = np.unique(target.subjects, return_counts=True)[1]
        return tuple(
            SubjectScores(match_scores(enrolled, namings[enrolled.name], images), name=enrolled.name)
            for enrolled in target.enrolled(self.background)
        )


class MatchingAttack:
    """Matchers of whole pictures, pieces, mixtures, and a network."""

    config = Config
    needs = AttackNeeds()

    def fit(self, background: Background, options: Config) -> FittedMatching:
        """Fit the matchers on auxiliary people."""
        background.matchers()
        return FittedMatching(background)


ATTACK = MatchingAttack()
