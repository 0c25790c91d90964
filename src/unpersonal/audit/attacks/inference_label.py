"""Label inference: whoever knows a person's image reads the label off the release, better than off the image alone?

The attacker guesses a label set for every image of every subject. Control subjects show how often such a guess is right
without a leak, and a classifier of auxiliary people guesses wherever the release has nothing near.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds, Guesses
from ..background import PRIMARY, Background
from ..membership import relative_distance
from ..target import Target

NEAR = 0.05
"""Share of certifying people who are as near to the release as somebody whose label is read off it."""
NAMED = 0.01
"""Share of strangers whom a matcher names as well, where its name counts."""
FEWEST = 5
"""Images of a label set below which the classifier does not learn it."""

LabelSet = tuple[str, ...]


@dataclass(frozen=True)
class FittedLabelInference:
    """The attack with its classifier (coordinates to positions in `known`) and threshold `near`."""

    background: Background
    released: tuple[LabelSet, ...]
    known: tuple[LabelSet, ...]
    classifier: Any
    near: float

    def run(self, target: Target) -> tuple[Guesses, ...]:
        """Right guesses by the nearest released image, by that or the classifier, and by matchers or the classifier."""
        balls = self.background.balls(PRIMARY)
        embedded = target.embedded(balls.space)
        subject = np.repeat(np.arange(len(embedded)), embedded.images_per_subject)
        truth = [frozenset(_told(target)[row]) for row in embedded.rows]
        nearest = [self.released[i] for i in nearest_rows(embedded.points, balls.centres)]
        alone = [self.known[i] for i in self.classifier.predict(embedded.points)]
        relative, _ = target.relative_distance(self.background)
        close = (relative <= self.near)[subject]
        named = self._named(target)
        guesses = {
            "nearest": nearest,
            "near": [n if is_close else a for n, a, is_close in zip(nearest, alone, close, strict=True)],
            "matched": [named.get(int(s), a) for s, a in zip(subject, alone, strict=True)],
        }
        return tuple(
            Guesses(mean_by_subject(agreement(guess, truth), subject), name=name) for name, guess in guesses.items()
        )

    def _named(self, target: Target) -> dict[int, LabelSet]:
        """The most frequent label set of the released images in which matchers see a subject, of every such subject."""
        votes: dict[int, Counter[LabelSet]] = {}
        for naming in target.namings(self.background).values():
            for image in np.flatnonzero(naming.at(NAMED)):
                votes.setdefault(int(naming.subject[image]), Counter())[self.released[image]] += 1
        return {subject: min(count, key=lambda s: (-count[s], s)) for subject, count in votes.items()}


def _told(target: Target) -> Sequence[LabelSet]:
    if target.labels is None:
        raise ValueError("labels are inferred, and the target has none")
    return target.labels


def nearest_rows(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Which of `centres` [p, k] is nearest to each of `points` [n, k]: int64 [n]; memory is bounded."""
    from sklearn.metrics import pairwise_distances_argmin

    return np.asarray(pairwise_distances_argmin(points, centres), dtype=np.int64)


def agreement(guesses: Sequence[LabelSet], truth: Sequence[frozenset[str]]) -> np.ndarray:
    """How far each guessed label set is the true one, float64 [n]: Jaccard's index, 1 where both are empty."""
    pairs = [(set(guess), true) for guess, true in zip(guesses, truth, strict=True)]
    return np.array([len(guess & true) / len(guess | true) if guess | true else 1.0 for guess, true in pairs])


def mean_by_subject(values: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Mean over the images of every subject, float64 [N]; `subject` int64 [n] runs from 0 to N - 1."""
    found: np.ndarray = np.bincount(subject, weights=values) / np.bincount(subject)
    return found


class LabelInferenceAttack:
    """The labels of the released images nearest to a person, and of those in which matchers see the person."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,), released_labels=True)

    def fit(self, background: Background, options: Config) -> FittedLabelInference:
        """Train the classifier on auxiliary people, and see how near they come to the release."""
        balls, certifying = background.balls(PRIMARY), background.certifying(PRIMARY)
        relative, _ = relative_distance(balls.centres, certifying, background.reference(PRIMARY))
        background.matchers()
        known, classifier = _classifier(background)
        return FittedLabelInference(
            background=background,
            released=tuple(tuple(sorted(set(row))) for row in background.released_labels or ()),
            known=known,
            classifier=classifier,
            near=float(np.quantile(relative, NEAR)),
        )


def _classifier(background: Background) -> tuple[tuple[LabelSet, ...], Any]:
    """Label sets, and a classifier of coordinates in the primary space into positions among them."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    space = background.space(PRIMARY)
    people = background.network, background.certify
    points = np.concatenate([space.embed(given.images) for given in people])
    sets = [tuple(sorted(set(row))) for given in people for row in given.label_sets()]
    count = Counter(sets)
    known = tuple(sorted(each for each in count if count[each] >= FEWEST)) or (count.most_common(1)[0][0],)
    place = {each: i for i, each in enumerate(known)}
    rows = [i for i, each in enumerate(sets) if each in place]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)) if len(known) > 1 else DummyClassifier()
    return known, model.fit(points[rows], [place[sets[i]] for i in rows])


ATTACK = LabelInferenceAttack()
