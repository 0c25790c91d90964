"""Membership by a classifier: does one that tells released images from other people's take train subjects for released?

LOGAN's black-box attack (Hayes et al., PoPETs 2019, section 4.2): the discriminator of the release is the attacker's
own. Trees grown to the end (Geurts et al., Machine Learning 2006) learn their images by
heart, and so know copies again. Nobody whom it scores is among the people on whom it learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...core.config import Config
from ...core.seeds import derive_seed
from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..membership_points import FittedPoints, PointScore, fit_points

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesClassifier

TREES = 100


@dataclass(frozen=True)
class ReleasedLike:
    """Share of trees that take a point for released."""

    trees: ExtraTreesClassifier

    def __call__(self, points: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.trees.predict_proba(points)[:, 1]
        return found


def fit_classifier(released: np.ndarray, reference: np.ndarray, seed: int) -> PointScore:
    """Trees that tell released points from reference points, both sides with the same weight."""
    from sklearn.ensemble import ExtraTreesClassifier

    trees = ExtraTreesClassifier(TREES, class_weight="balanced", random_state=seed % 2**32, n_jobs=1)
    side = np.repeat([1, 0], [len(released), len(reference)])
    return ReleasedLike(trees.fit(np.concatenate([released, reference]), side))


class ClassifierAttack:
    """Trees that tell the release from auxiliary people."""

    config = Config
    needs = AttackNeeds(spaces=(PRIMARY,))

    def fit(self, background: Background, options: Config) -> FittedPoints:
        """Train the classifier."""
        return fit_points(background, fit_classifier, derive_seed(background.seed, "audit", "classifier"))


ATTACK = ClassifierAttack()
