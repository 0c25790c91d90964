"""Membership by mixtures: is a person, together with somebody else, what a released image is made of?

In a sum a·x + b·y fine detail correlates with x and with y, each less than a copy would. What of the image the best
partner y does not explain then correlates with x alone: the partial correlation (Fisher 1924), by the rows of the
matcher `mixtures`. Partners are sought among all subjects, train and control alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...core.config import Config
from ...matching.strangers import pick_strangers
from ..attack import AttackNeeds, SubjectScores
from ..background import Background
from ..distances import group
from ..enrolled import Enrolled
from ..membership_people import Combination
from ..target import Target

if TYPE_CHECKING:
    from torch import Tensor

    from ...matching.matchers.mixtures import MixtureGallery

MATCHER = "mixtures"
PARTNERS = 3
"""Images of which each is tried as the partner: those that correlate most with a released image."""
LEAST_LEFT = 0.2
"""Least share of a picture that is taken to be left beside the partner; in a copy of the partner nothing is left."""
QUERIES = 128


@dataclass(frozen=True)
class FittedMixture:
    """The attack with its matcher fitted."""

    background: Background

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        """Of each subject the largest partial correlation with a released image, in spreads of those with strangers."""
        enrolled = next(each for each in target.enrolled(self.background) if each.name == MATCHER)
        strangers = self.background.certify
        usual = _bands(enrolled, strangers.images[pick_strangers(strangers.subjects)])
        released = _bands(enrolled, self.background.released)
        values = np.concatenate(list(partial_correlations(usual, enrolled.gallery)))
        mean, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
        best = np.full(len(mean), -np.inf)
        for block in partial_correlations(released, enrolled.gallery):
            best = np.maximum(best, ((block - mean) / spread).max(axis=0))
        grouped = group(best[:, None], target.subjects)
        scores = grouped.points[:, 0]
        return (SubjectScores(Combination.of(scores, grouped.starts).people(scores, grouped.starts)),)


def _bands(enrolled: Enrolled, images: np.ndarray) -> Tensor:
    """Rows [n, p] that the matcher correlates, of images uint8 [n,C,H,W]."""
    bands: Tensor = enrolled.matcher.enrol(np.array(images), np.arange(len(images)).astype(str)).bands
    return bands


def partial_correlations(queries: Tensor, people: MixtureGallery) -> Iterator[np.ndarray]:
    """Largest correlation float32 [n, g] of each query with each image of the gallery, alone or beside a partner.

    `queries` [q, p] come in parts of `QUERIES`. A partner is an image of somebody else.
    """
    import torch

    _, numbers = np.unique(people.subjects, return_inverse=True)
    whose = torch.from_numpy(numbers)
    for start in range(0, len(queries), QUERIES):
        alone = queries[start : start + QUERIES] @ people.bands.T
        best = alone.clone()
        index = torch.arange(len(alone))
        for partner in alone.topk(min(PARTNERS, alone.shape[1]), dim=1).indices.T:
            known = alone[index, partner].clamp_min(0)[:, None]
            shared = people.projected[partner] @ people.projected.T
            left = ((1 - known**2).clamp_min(LEAST_LEFT) * (1 - shared**2).clamp_min(LEAST_LEFT)).sqrt()
            beside = (alone - known * shared) / left
            best = torch.maximum(best, beside.masked_fill(whose[partner][:, None] == whose[None], -1.0))
        yield best.numpy()


class MixtureAttack:
    """Correlation of a person with what a partner leaves of a released image."""

    config = Config
    needs = AttackNeeds()

    def fit(self, background: Background, options: Config) -> FittedMixture:
        """Fit the matcher on auxiliary people."""
        background.matchers()
        return FittedMixture(background)


ATTACK = MixtureAttack()
