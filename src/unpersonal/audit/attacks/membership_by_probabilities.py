"""Membership by released class probabilities: does their teacher know a person's label, or is it surer near a person?

A teacher that saw somebody is sure, and right, about images like that person's. Images that show nobody can so tell who
trained. Runs only where probabilities are released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds, SubjectScores
from ..background import PRIMARY, Background
from ..membership_people import Combination
from ..probabilities import LEAST, Own, Surface, own_of, surface_of
from ..target import Target

PENALTIES = tuple(10.0**power for power in range(-1, 5))
"""Ridge penalties of which leave-one-out error chooses one."""


@dataclass(frozen=True)
class FittedProbabilities:
    """The attack: the surface, how sure it is usually, what the attacker knows alone, and how images are combined.

    `own` is None where auxiliary people have no labels; then only how sure the surface is can be asked.
    """

    surface: Surface
    usual: Any
    own: Own | None
    combinations: dict[str, Combination]

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        """`sure`: how much surer the released probabilities are near a subject than they usually are where its images
        lie. `right`: how much likelier they find its labels than a classifier does that was never near a release
        (difficulty calibration: Watson et al., ICLR 2022)."""
        embedded = target.embedded(self.surface.space)
        scores = {"sure": surprise_of(self.surface, self.usual, embedded.points)}
        if self.own is not None and target.labels is not None:
            labels = self.surface.multi_hot([target.labels[row] for row in embedded.rows])
            scores["right"] = gain_of(self.surface, self.own, embedded.points, labels)
        return tuple(
            SubjectScores(self.combinations[name].people(values, embedded.starts), name=name)
            for name, values in scores.items()
        )


def certainty(probabilities: np.ndarray) -> np.ndarray:
    """Minus the mean entropy of every class by itself, float64 [n]."""
    p = np.clip(probabilities, LEAST, 1.0 - LEAST)
    found: np.ndarray = (p * np.log(p) + (1.0 - p) * np.log(1.0 - p)).mean(axis=1)
    return found


def surprise_of(surface: Surface, usual: Any, points: np.ndarray) -> np.ndarray:
    """Certainty near the points [q,k] less what is usual there, float64 [q]."""
    found: np.ndarray = certainty(surface.near(points)) - usual.predict(points)
    return found


def gain_of(surface: Surface, own: Own, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log likelihood of `labels` bool [q,C] by the released probabilities, less that by the attacker alone."""
    known = surface.likelihood(own.probabilities(points), labels)
    found: np.ndarray = surface.likelihood(surface.near(points), labels) - known
    return found


class ProbabilitiesAttack:
    """Class probabilities of the released images nearest to a person."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,), probabilities=True)

    def fit(self, background: Background, options: Config) -> FittedProbabilities:
        """Learn what is usual from the release and from auxiliary people, of whom half say how images are combined."""
        from sklearn.linear_model import RidgeCV

        surface, people = surface_of(background), background.certifying(PRIMARY)
        usual = RidgeCV(PENALTIES).fit(surface.points, certainty(surface.probabilities))
        combinations = {"sure": Combination.of(surprise_of(surface, usual, people.points), people.starts)}
        own, given = None, background.certify.labels
        if background.network.labels is not None and given is not None:
            own = own_of(surface, background.network)
            sets = background.certify.label_sets()
            labels = surface.multi_hot([sets[row] for row in people.rows])
            combinations["right"] = Combination.of(gain_of(surface, own, people.points, labels), people.starts)
        return FittedProbabilities(surface, usual, own, combinations)


ATTACK = ProbabilitiesAttack()
