"""Isolation by learned predicates: balls where the audit's own network, which other people trained, places images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..attack import AttackNeeds
from ..background import Background
from ..config import WeightConfig
from ..images import SubjectImages
from ..predicates import CertifiedFamilies, certify_comparison

if TYPE_CHECKING:
    from torch import Tensor

    from ..learned import LearnedMatcher


@dataclass(frozen=True)
class Embedded:
    """Vectors [p, 8, d] of released images, mirrored and by right angles, as a network places them."""

    turned: Tensor
    network: LearnedMatcher

    def __len__(self) -> int:
        return len(self.turned)

    def people(self, given: SubjectImages) -> np.ndarray:
        """See `Comparison.people`."""
        found: np.ndarray = self.network.embed(np.array(given.images)).numpy()
        return found

    def compare(self, predicates: slice, people: np.ndarray) -> np.ndarray:
        """See `Comparison.compare`: Euclidean distance of unit vectors, of the closest of the eight."""
        ours = self.turned[predicates].numpy()
        likeness = np.full((len(ours), len(people)), -1.0, dtype=np.float32)
        for view in ours.transpose(1, 0, 2):
            np.maximum(likeness, view @ people.T, out=likeness)
        found: np.ndarray = np.sqrt(np.maximum(2.0 - 2.0 * likeness, 0.0))
        return found


class LearnedIsolationAttack:
    """The embedding of the audit's own network; no predicates where there were too few people to train it."""

    config = WeightConfig
    needs = AttackNeeds()

    def fit(self, background: Background, options: WeightConfig) -> CertifiedFamilies:
        """Place the released images, and fix the distances by those who certify."""
        from ..learned import LearnedMatcher

        trained = [each.matcher for each in background.matchers() if isinstance(each.matcher, LearnedMatcher)]
        released = np.array(background.released)
        weight = options.primary(background.side, len(background.released))
        return CertifiedFamilies(
            tuple(
                certify_comparison(Embedded(each.embed_turned(released), each), background, weight) for each in trained
            ),
            weight,
        )


ATTACK = LearnedIsolationAttack()
