"""What released class probabilities say near a person, beyond what the person's image says by itself.

Legend: m released images, q asked points in a space of k dimensions, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..cohort.soft_labels import SoftLabels
from ..metrics.roc import as_frequent
from .background import PRIMARY, Background
from .distances import distances
from .images import SubjectImages
from .membership_points import in_chunks
from .spaces import Space

NEIGHBOURS = 5
"""Released images nearest to a point whose probabilities are averaged."""
LEAST = 0.005
"""Probability below which none is believed: a certain error would outweigh everything else."""

LabelSet = tuple[str, ...]


@dataclass(frozen=True)
class Surface:
    """Released probabilities as a function of where an image lies: `points` float32 [m,k], `probabilities` [m,C]."""

    space: Space
    points: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    exclusive: bool

    def near(self, points: np.ndarray) -> np.ndarray:
        """Mean of the `NEIGHBOURS` nearest, float64 [q,C], weighed by 1 / distance²: a copy decides alone."""
        found = np.empty((len(points), len(self.classes)))
        count = min(NEIGHBOURS, len(self.points))
        for rows, part in in_chunks(points):
            away = distances(part, self.points).astype(np.float64)
            nearest = np.argpartition(away, count - 1, axis=1)[:, :count]
            weights = 1.0 / np.maximum(np.take_along_axis(away, nearest, axis=1), 1e-6) ** 2
            weights /= weights.sum(axis=1, keepdims=True)
            found[rows] = np.einsum("qn,qnc->qc", weights, self.probabilities[nearest])
        return found

    def multi_hot(self, labels: Sequence[Sequence[str]]) -> np.ndarray:
        """Labels [n] as bool [n,C]; what is no class of the release has no column."""
        return np.array([[name in row for name in self.classes] for row in labels], dtype=bool).reshape(
            len(labels), len(self.classes)
        )

    def likelihood(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Log of how likely `probabilities` [n,C] call the `labels` bool [n,C], float64 [n]; a mean over classes.

        Of exclusive classes it is that of the one that an image has, or nearly nothing where it has none of them.
        """
        sure = np.clip(probabilities, LEAST, 1.0 - LEAST)
        if self.exclusive:
            found: np.ndarray = np.log(np.maximum((sure * labels).sum(axis=1), LEAST))
            return found
        found = np.log(np.where(labels, sure, 1.0 - sure)).mean(axis=1)
        return found


def surface_of(background: Background) -> Surface:
    """The surface of a background that has probabilities, in the primary space."""
    soft = _soft(background)
    space = background.space(PRIMARY)
    return Surface(space, space.embed(background.released), soft.probabilities, soft.classes, soft.exclusive)


def _soft(background: Background) -> SoftLabels:
    if background.soft is None:
        raise ValueError("probabilities are attacked, and the background has none")
    return background.soft


@dataclass(frozen=True)
class Own:
    """What an attacker knows without a release: a logistic regression for each class, fitted on auxiliary people."""

    models: tuple[Any, ...]
    exclusive: bool

    def probabilities(self, points: np.ndarray) -> np.ndarray:
        """float64 [q,C]."""
        found = np.stack([model.predict_proba(points)[:, -1] for model in self.models], axis=1)
        return found / np.maximum(found.sum(axis=1, keepdims=True), LEAST) if self.exclusive else found


class Never:
    """The model of a class that no auxiliary person has, or that all have."""

    def __init__(self, share: float) -> None:
        self.share = share

    def predict_proba(self, points: np.ndarray) -> np.ndarray:
        """float64 [q,2]."""
        return np.tile([1.0 - self.share, self.share], (len(points), 1))


def own_of(surface: Surface, people: SubjectImages) -> Own:
    """Fitted on labelled auxiliary people."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    points, labels = surface.space.embed(people.images), surface.multi_hot(people.label_sets())
    models: list[Any] = []
    for column in labels.T:
        if column.all() or not column.any():
            models.append(Never(float(column.mean())))
        else:
            models.append(make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(points, column))
    return Own(tuple(models), surface.exclusive)


@dataclass(frozen=True)
class Reader:
    """How probabilities [n,C] become label sets: the likeliest class, or all above thresholds float64 [C]."""

    classes: tuple[str, ...]
    exclusive: bool
    thresholds: np.ndarray

    @classmethod
    def of(cls, surface: Surface, probabilities: np.ndarray, labels: np.ndarray) -> Reader:
        """Thresholds that let as many `probabilities` [n,C] through as auxiliary people have the label, bool [n,C]."""
        levels = [as_frequent(p, has.astype(float)) for p, has in zip(probabilities.T, labels.T, strict=True)]
        return cls(surface.classes, surface.exclusive, np.array(levels))

    def read(self, probabilities: np.ndarray) -> list[LabelSet]:
        """A guess for each row."""
        if self.exclusive:
            return [(self.classes[best],) for best in probabilities.argmax(axis=1)]
        return [
            tuple(name for name, there in zip(self.classes, row, strict=True) if there)
            for row in probabilities > self.thresholds
        ]
