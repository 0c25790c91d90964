"""Isolation by symmetrised poses: balls in which mirroring, turns, shifts and polarity are no distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...matching.fields import contrast, grey, resized
from ...matching.matchers.poses import turned_vectors
from ...matching.search import closest
from ...matching.windows import MAP, discriminants, projected
from ..attack import AttackNeeds
from ..background import Background
from ..config import WeightConfig
from ..images import SubjectImages
from ..predicates import CertifiedFamilies, certify_comparison

if TYPE_CHECKING:
    from torch import Tensor


TOGETHER = 512
"""Released images turned at once: memory is bounded by as many contrast maps in all poses."""


@dataclass(frozen=True)
class Symmetrised:
    """Vectors float16 [p, w, d] of released images in w poses, along directions [MAP², d] of contrast maps."""

    posed: Tensor
    directions: Tensor

    def __len__(self) -> int:
        return len(self.posed)

    def people(self, given: SubjectImages) -> np.ndarray:
        """See `Comparison.people`."""
        pictures = grey(np.ascontiguousarray(given.images))
        found: np.ndarray = projected(contrast(resized(pictures, MAP)), self.directions).numpy()
        return found

    def compare(self, predicates: slice, people: np.ndarray) -> np.ndarray:
        """See `Comparison.compare`: Euclidean distance to the closest pose, mirrored or not, negative or not."""
        import torch

        likeness = closest(torch.from_numpy(np.array(people)), self.posed[predicates]).T
        found: np.ndarray = (2.0 - 2.0 * likeness).clamp_min(0.0).sqrt().numpy()
        return found


class PoseIsolationAttack:
    """Released images however they are turned."""

    config = WeightConfig
    needs = AttackNeeds()

    def fit(self, background: Background, options: WeightConfig) -> CertifiedFamilies:
        """Find the directions on the network's people, and fix the distances by those who certify."""
        import torch

        weight = options.primary(background.side, len(background.released))
        directions = discriminants(grey(np.array(background.network.images)), background.seed)
        pictures = grey(np.array(background.released))
        posed = [turned_vectors(some, directions) for some in pictures.split(TOGETHER)]
        comparison = Symmetrised(torch.cat(posed), directions)
        family = certify_comparison(comparison, background, weight)
        return CertifiedFamilies((family,), weight)


ATTACK = PoseIsolationAttack()
