"""Inference by released class probabilities: do they tell a person's labels, or help to find the person's other half?

Control subjects show how often such a guess is right without a leak. Runs only where probabilities are released.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.config import Config
from ...core.seeds import derive_seed
from ..attack import AttackNeeds, Guesses
from ..background import PRIMARY, Background
from ..probabilities import LEAST, Own, Reader, Surface, own_of, surface_of
from ..target import Target
from .inference_attribute import QUARTERS, Half, as_grey, fit_half
from .inference_label import agreement, mean_by_subject

LIKELY = 0.5
"""Probability from which a released image counts as one of a label."""


@dataclass(frozen=True)
class FittedProbabilityInference:
    """The attack with the surface, the attacker's own classifier, how often each class occurs, and all halves."""

    surface: Surface
    own: Own
    prior: np.ndarray
    readers: dict[str, Reader]
    halves: tuple[Half, ...]

    def run(self, target: Target) -> tuple[Guesses, ...]:
        """Right guesses of labels by the probabilities near a subject, by these and the image together, and of the
        unknown half of an image whose labels are known."""
        if target.labels is None:
            raise ValueError("labels are inferred, and the target has none")
        embedded = target.embedded(self.surface.space)
        _, subject = np.unique(target.subjects, return_inverse=True)
        of_points = np.repeat(np.arange(len(embedded)), embedded.images_per_subject)
        truth = [frozenset(target.labels[row]) for row in embedded.rows]
        found = views_of(self.surface, self.own, self.prior, embedded.points)
        guesses = {name: agreement(self.readers[name].read(values), truth) for name, values in found.items()}
        half = self._half(target.images, self.surface.multi_hot(target.labels))
        return (
            *(Guesses(mean_by_subject(right, of_points), name=name) for name, right in guesses.items()),
            Guesses(mean_by_subject(half, subject), name="half"),
        )

    def _half(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Share of right guesses about the other halves of images [n] with these labels, bool [n,C]: float64 [n].

        Looked for among the released images whose probabilities agree with the labels, where there are such.
        """
        grey, found = as_grey(images), np.empty(len(images))
        likely = self.surface.probabilities >= LIKELY
        for wanted in np.unique(labels, axis=0):
            rows = (labels == wanted).all(axis=1)
            fitting = (likely == wanted).all(axis=1)
            kept = np.tile(fitting if fitting.any() else np.ones(len(likely), dtype=bool), 2)
            found[rows] = np.mean(
                [
                    replace(half, points=half.points[kept], brighter=half.brighter[kept]).right(grey[rows], quarter)
                    for quarter, half in zip(QUARTERS, self.halves, strict=True)
                ],
                axis=0,
            )
        return found


def views_of(surface: Surface, own: Own, prior: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
    """Odds of every class at points [q,k] as probabilities [q,C]: by the release near them, and with the image as well.

    Together they are the product of both odds over that of the class (naive Bayes).
    """
    near, alone = (np.clip(p, LEAST, 1.0 - LEAST) for p in (surface.near(points), own.probabilities(points)))
    usual = np.clip(prior, LEAST, 1.0 - LEAST)
    logit = sum(sign * np.log(p / (1.0 - p)) for p, sign in ((near, 1), (alone, 1), (usual, -1)))
    return {"near": near, "both": 1.0 / (1.0 + np.exp(-logit))}


class ProbabilityInferenceAttack:
    """Labels and the other half of an image, by the class probabilities of the released images near a person."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,), released_labels=True, probabilities=True)

    def fit(self, background: Background, options: Config) -> FittedProbabilityInference:
        """Fit the attacker's classifier and the halves on auxiliary people; others of them set the thresholds."""
        surface, people = surface_of(background), background.network
        own, prior = own_of(surface, people), surface.multi_hot(people.label_sets()).mean(axis=0)
        certify = background.certify
        views = views_of(surface, own, prior, surface.space.embed(certify.images))
        labels = surface.multi_hot(certify.label_sets())
        grey, released = as_grey(people.images), as_grey(background.released)
        components, seed = background.config.components, derive_seed(background.seed, "audit", "halves") % 2**32
        return FittedProbabilityInference(
            surface=surface,
            own=own,
            prior=prior,
            readers={name: Reader.of(surface, values, labels) for name, values in views.items()},
            halves=tuple(fit_half(grey, released, quarter, components, seed) for quarter in QUARTERS),
        )


ATTACK = ProbabilityInferenceAttack()
