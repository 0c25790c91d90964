"""The ROC curve of the strongest attack on membership, at few points, none of which tells of fewer than five people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .attack import SubjectScores
from .bounds import FALSE_POSITIVES, tpr_estimate, z_of
from .family import Results
from .profiles import MEMBERSHIP
from .result import SMALLEST_CELL
from .rows import PrimaryRow, RocFigures, RocPoint

LEVELS = (FALSE_POSITIVES, 0.05, *(round(0.1 * tenth, 1) for tenth in range(1, 10)))
"""False-positive rates at which the curve is told."""
REVERSED = "_reversed"


def roc_of(
    primary: Sequence[PrimaryRow], scores: Results[SubjectScores], train: np.ndarray, confidence: float
) -> RocFigures | None:
    """The curve of the attack in the row of membership, `train` bool [N].

    None where no attack gave scores, or where people are too few.
    """
    attack = next((row.attack for row in primary if row.name == MEMBERSHIP), "")
    given = dict(zip(scores.names, scores.found, strict=True))
    name, sign = (attack, 1.0) if attack in given else (attack.removesuffix(REVERSED), -1.0)
    if name not in given:
        return None
    values = sign * np.asarray(given[name].values, dtype=np.float64)
    found = [_point(values, train, level, z_of(confidence)) for level in LEVELS if _enough(level, int((~train).sum()))]
    told = tuple(point for point in found if _enough(point.tpr, int(train.sum())))
    return RocFigures(attack, told) if told else None


def _enough(share: float, people: int) -> bool:
    return SMALLEST_CELL <= round(share * people, 6) <= people - SMALLEST_CELL


def _point(scores: np.ndarray, train: np.ndarray, level: float, z: float) -> RocPoint:
    rate = tpr_estimate(scores, train, level)
    return RocPoint(fpr=level, tpr=rate.value, tpr_lower=rate.lower(z), tpr_upper=rate.upper(z))
