"""What the training seeds of classifiers add to an interval over test subjects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .figures import Interval


@dataclass(frozen=True)
class Seeds:
    """Variance of a mean over classifiers that differ in their seed alone, with its degrees of freedom.

    `spread` is the standard deviation between the classifiers at hand. One classifier tells nothing of its seed: the
    variance is 0 with no degree of freedom, and intervals are then those of this one classifier.
    """

    variance: float
    freedom: float
    spread: float = 0.0

    @classmethod
    def of(cls, figures: Sequence[float]) -> Seeds:
        """Of the figures of an arm's classifiers."""
        count = len(figures)
        if count < 2:
            return cls(0.0, 0.0)
        return cls(float(np.var(figures, ddof=1)) / count, count - 1.0, float(np.std(figures)))

    @classmethod
    def of_difference(cls, first: Seeds, second: Seeds) -> Seeds:
        """Of the difference of two arms' means; degrees of freedom by Satterthwaite (Biometrics 1946, eq. 17)."""
        total = first.variance + second.variance
        parts = [arm.variance**2 / arm.freedom for arm in (first, second) if arm.variance > 0.0]
        return cls(total, total**2 / sum(parts) if parts else 0.0)

    def above(self, end: float, value: float, confidence: float) -> float:
        """An upper `end` of an interval over subjects about `value`, moved for the seeds; `confidence` is one-sided.

        Deviations of independent parts add up as squares (MOVER; Zou & Donner, Statistics in Medicine 2008).
        """
        return value + math.hypot(max(end - value, 0.0), self._deviation(confidence))

    def widened(self, interval: Interval, value: float) -> Interval:
        """A two-sided 95 % interval over subjects, with both ends moved away from `value` for the seeds."""
        upper = self.above(interval[1], value, 0.975)
        return -self.above(-interval[0], -value, 0.975), upper

    def _deviation(self, confidence: float) -> float:
        if self.variance <= 0.0:
            return 0.0
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, confidence)) * math.sqrt(self.variance)
