"""Isolation by pixels and labels together: "somebody within r of this released image, with its labels"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..config import WeightConfig
from ..distances import distances
from ..images import SubjectImages
from ..predicates import CertifiedFamilies, certify_comparison
from ..spaces import Space


@dataclass(frozen=True)
class LabelledBalls:
    """Centres float32 [p, k] in a space, and the labels of each in alphabetical order."""

    space: Space
    centres: np.ndarray
    labels: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.centres)

    def people(self, given: SubjectImages) -> np.ndarray:
        """See `Comparison.people`: coordinates, and last the number of the set of labels, -1 of a set not released."""
        number = {labels: code for code, labels in enumerate(dict.fromkeys(self.labels))}
        codes = np.array([number.get(in_order(labels), -1) for labels in given.label_sets()], dtype=np.float32)
        return np.concatenate([self.space.embed(given.images), codes[:, None]], axis=1)

    def compare(self, predicates: slice, people: np.ndarray) -> np.ndarray:
        """See `Comparison.compare`: Euclidean distance to images with the same labels."""
        number = {labels: code for code, labels in enumerate(dict.fromkeys(self.labels))}
        ours = np.array([number[labels] for labels in self.labels[predicates]])
        found: np.ndarray = distances(self.centres[predicates], people[:, :-1])
        found[ours[:, None] != people[:, -1]] = np.inf
        return found


def in_order(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels in alphabetical order, each once."""
    return tuple(sorted(set(labels)))


class LabelIsolationAttack:
    """Balls that hold only who has the same labels: strangers seldom do, so that the balls may be larger."""

    config = WeightConfig
    needs = AttackNeeds(spaces=(PRIMARY,), released_labels=True)

    def fit(self, background: Background, options: WeightConfig) -> CertifiedFamilies:
        """Fix the radii by those who certify, with their labels."""
        weight = options.primary(background.side, len(background.released))
        balls = background.balls(PRIMARY)
        labels = tuple(in_order(labels) for labels in background.released_labels or ())
        family = certify_comparison(LabelledBalls(balls.space, balls.centres, labels), background, weight)
        return CertifiedFamilies((family,), weight)


ATTACK = LabelIsolationAttack()
