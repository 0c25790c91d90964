"""Membership by matching: do released images show train subjects more often than control subjects, however turned?

Every matcher names for each released image the subject of train and control that it is most like. Whom an image without
a leak is named after is chance, and falls on train and control by their numbers. Each matcher gives a score of every
subject; beside them stands one test over all matchers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds, Statistic, SubjectScores
from ..background import Background
from ..enrolled import Naming
from ..membership import largest_difference
from ..membership_matches import match_scores, strongest
from ..target import Target

RATES = (0.01, 0.1, 1.0)
"""Shares of strangers that are named as well: few certain names, more less certain ones, and every image's name."""


@dataclass(frozen=True)
class FittedMatching:
    """The attack with its matchers fitted."""

    background: Background

    def run(self, target: Target) -> tuple[Statistic | SubjectScores, ...]:
        """How subjects are named by each matcher, and how differently by any."""
        pictures = self.background.picture_of
        namings = {name: strongest(each, pictures) for name, each in target.namings(self.background).items()}
        images = np.unique(target.subjects, return_counts=True)[1]
        scores = [
            SubjectScores(match_scores(enrolled, namings[enrolled.name], images), name=enrolled.name)
            for enrolled in target.enrolled(self.background)
        ]
        return (*scores, _difference(list(namings.values()), target))


def _difference(namings: Sequence[Naming], target: Target) -> Statistic:
    """The largest standardised difference over matchers and rates; one test, as its null takes the largest too."""
    values = [_often(naming.subject[naming.at(rate)], len(target.train)) for naming in namings for rate in RATES]
    observed, null = largest_difference(np.stack(values, axis=1), target.codes, target.train, target.roles.blocks)
    return Statistic(observed, null)


def _often(subjects: np.ndarray, count: int) -> np.ndarray:
    """Square root of how often each of `count` subjects is named: one whom many images are like must not decide."""
    found: np.ndarray = np.sqrt(np.bincount(subjects, minlength=count))
    return found


class MatchingAttack:
    """Matchers of whole pictures, pieces, mixtures, and a network."""

    config = Config
    needs = AttackNeeds()

    def fit(self, background: Background, options: Config) -> FittedMatching:
        """Fit the matchers on auxiliary people."""
        background.matchers()
        return FittedMatching(background)


ATTACK = MatchingAttack()
