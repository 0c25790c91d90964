"""Bounds of the audit's primary figures; the unit is the subject.

An upper bound is pointwise: `pass` needs every one under its margin, an intersection-union test, which has the level
of each of its parts (Berger, Technometrics 1982). A lower bound is simultaneous over a family, because one above its
margin is enough to fail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from ..metrics.intervals import beta_bounds
from ..metrics.roc import mid_ranks

FALSE_POSITIVES = 0.01
"""False-positive rate at which the true-positive rate is read."""
SLOPE_UP_TO = 0.05
"""False-positive rate up to which the slope of the ROC curve is measured."""


@dataclass(frozen=True)
class Estimate:
    """A figure with what its bounds are made of.

    Of a rate, `trials` is the number of subjects; its own binomial variance follows from them, and `rest` is all other
    variance. `subjects` is the number of train subjects of a mean of placements in [0, 1], such as an AUROC: most may
    lie at one place and few at another, so that the upper bound treats it as a rate. Both None: neither.
    """

    value: float
    rest: float
    trials: int | None = None
    subjects: int | None = None

    def upper(self, z: float) -> float:
        """One-sided upper bound at `z` standard deviations, at most 1."""
        return self._root(z, 1.0)

    def lower(self, z: float) -> float:
        """One-sided lower bound at `z` standard deviations, at least 0."""
        return self._root(z, -1.0)

    def _root(self, z: float, sign: float) -> float:
        """Where the figure is `z` standard deviations from its bound, the binomial part taken at the bound (Wilson,
        JASA 1927)."""
        squared = z * z
        if self.trials is None:
            # Wilson's z²/2 further subjects, who are placed above everybody (Agresti & Coull 1998)
            more = squared / 2.0 if self.subjects and sign > 0 else 0.0
            pull = (1.0 - self.value) / ((self.subjects or 0) + more) if more else 0.0
            spread = math.sqrt(self.rest + more * pull**2)
            return float(np.clip(self.value + more * pull + sign * z * spread, 0.0, 1.0))
        a, b = 1.0 + squared / self.trials, 2.0 * self.value + squared / self.trials
        c = self.value**2 - squared * self.rest
        root = (b + sign * math.sqrt(max(b * b - 4.0 * a * c, 0.0))) / (2.0 * a)
        return float(np.clip(root, 0.0, 1.0))

    def enlarged(self, factor: float) -> Estimate:
        """The same figure measured on `factor` times as many subjects."""
        trials, subjects = (
            None if count is None else max(1, round(count * factor)) for count in (self.trials, self.subjects)
        )
        return Estimate(self.value, self.rest / factor, trials, subjects)


def z_of(confidence: float) -> float:
    """Standard deviations of a one-sided bound."""
    return float(ndtri(confidence))


def auroc_estimate(scores: np.ndarray, train: np.ndarray, foretold: np.ndarray | None = None) -> Estimate:
    """AUROC of `scores` float64 [N] for `train` bool [N] with its variance (DeLong, Biometrics 1988).

    `foretold` float64 [N], of mean 0, is what covariates foretell of each rank (`foretold.foretold_ranks`): the AUROC
    is then that of two sides who are alike in them. An AUROC is a difference of mean ranks over N.
    """
    inside, outside = scores[train], scores[~train]
    m, n = len(inside), len(outside)
    ranks = mid_ranks(np.concatenate([inside, outside]))
    above = (ranks[:m] - mid_ranks(inside)) / n
    below = 1.0 - (ranks[m:] - mid_ranks(outside)) / m
    value = above.mean()
    if foretold is not None:
        more = foretold / (m + n)
        above, below = above - more[train], below + more[~train]
        value = np.clip(value - more[train].mean() + more[~train].mean(), 0.0, 1.0)
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n
    # complete separation has no variance of its own; that of one subject on the other side is the least there is
    return Estimate(float(value), float(max(variance, 1.0 / (12.0 * m * n))), subjects=m)


def tpr_estimate(scores: np.ndarray, train: np.ndarray, level: float = FALSE_POSITIVES) -> Estimate:
    """True-positive rate at the false-positive rate `level`, ties on the straight line between their ends.

    Its variance is that of the rate, and that of the threshold, which control subjects set, times the squared slope of
    the ROC curve (Pepe 2003, eq. 5.4), measured up to `SLOPE_UP_TO` (of higher levels: as far above them, up to 1) and
    never under that of chance.
    """
    end = SLOPE_UP_TO if level < SLOPE_UP_TO else min(level + SLOPE_UP_TO, 1.0)
    rate, farther = (rate_at(scores, train, at) for at in (level, end))
    slope = max(1.0, (farther - rate) / (end - level))
    control = int((~train).sum())
    threshold = slope**2 * level * (1.0 - level) / control
    return Estimate(rate, threshold, int(train.sum()))


FIRST_POINTS = 64
"""Points of the ROC curve, from its beginning, that are looked at first."""


def rate_at(scores: np.ndarray, train: np.ndarray, level: float) -> float:
    """True-positive rate at the false-positive rate `level`, linear between the points of the ROC curve."""
    return float(rates_at(scores, train[None], level)[0])


def rates_at(scores: np.ndarray, train: np.ndarray, level: float) -> np.ndarray:
    """`rate_at` for every row of `train` bool [P, N], all with equally many train subjects: float64 [P]."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    positives = int(train[0].sum()) if len(train) else 0
    wanted = level * (len(scores) - positives)
    # what lies below the level in every row is read no further: of 1 % little more than the highest scores
    points = min(FIRST_POINTS, len(last))
    while True:
        read = last[:points]
        inside = np.cumsum(train[:, order[: read[-1] + 1]], axis=1, dtype=np.int32)[:, read]
        outside = (read + 1) - inside
        if points == len(last) or bool((outside[:, -1] > wanted).all()):
            break
        points = min(2 * points, len(last))
    last = read
    # the last point that is not beyond the level: at equal false positives the attacker takes the higher one
    point = (outside <= wanted).sum(axis=1)[:, None] - 1
    none, after = point < 0, np.minimum(point + 1, len(last) - 1)
    low_out = np.where(none, 0, np.take_along_axis(outside, np.maximum(point, 0), axis=1))
    low_in = np.where(none, 0, np.take_along_axis(inside, np.maximum(point, 0), axis=1))
    step = np.take_along_axis(outside, after, axis=1) - low_out
    share = (wanted - low_out) / np.maximum(step, 1)
    rise = np.take_along_axis(inside, after, axis=1) - low_in
    rates: np.ndarray = ((low_in + share * rise) / positives)[:, 0]
    return rates


def needed_subjects(estimate: Estimate, margin: float, z: float, subjects: int) -> int | None:
    """Train subjects with which the same figure would have its upper bound within `margin`; None if no number would.

    Control grows alike.
    """
    if estimate.value >= margin:
        return None
    low, high = 1.0, 2.0
    while estimate.enlarged(high).upper(z) > margin:
        low, high = high, 2.0 * high
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if estimate.enlarged(middle).upper(z) <= margin else (middle, high)
    return math.ceil(high * subjects)


def needed_trials(share: float, margin: float, confidence: float) -> int | None:
    """Trials with which a rate of `share` would have its exact upper bound within `margin`; None if none would."""
    if share >= margin:
        return None
    trials = 1
    while beta_bounds(share * trials, trials, confidence)[1] > margin:
        trials *= 2
    low, high = trials // 2, trials
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if beta_bounds(share * middle, middle, confidence)[1] <= margin else (middle, high)
    return high
