"""The gap between held-out and train people in denoising errors, with an interval that a margin can be held against.

How hard an image is differs between people fifty times more than training tells them apart. So errors are compared at
equal difficulty (analysis of covariance): what the covariates of `difficulty` foretell of a person's error, fitted on
other people, is subtracted with the slope that both groups share (arXiv 2106.07263). Covariates that know nobody bias
nothing; the errors of a trained network do, for it has a gap of its own. People are the unit, not images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..metrics.cross_fit import FOLDS, cross_fitted

CONFIDENCE = 0.95
"""Of the two-sided interval."""
COARSEST = 0.5
"""Half the interval may be so large a share of a margin; a wider one says nothing about it."""
FEWEST = 30
"""People of both sides together with whom covariates are used; fewer can teach nobody what is hard."""
FAR = 4.0
"""Deviations beyond which the square of a covariate grows no more."""


@dataclass(frozen=True)
class Gap:
    """Error of held-out minus error of train people, and the ends of its two-sided 95 % interval."""

    value: float
    lower: float
    upper: float

    def tells(self, margin: float) -> bool:
        """Whether the interval is narrow enough to say that the gap is under `margin`."""
        return self.upper - self.lower <= 2 * COARSEST * margin

    def passes(self, margin: float) -> bool:
        """Whether the gap may be above `margin`; where the interval does not tell, whether it surely is."""
        return (self.upper if self.tells(margin) else self.lower) > margin


def measure_gap(
    train: np.ndarray,
    held_out: np.ndarray,
    covariates: tuple[np.ndarray, np.ndarray] | None = None,
    people: np.ndarray | None = None,
) -> Gap | None:
    """The gap of errors of `train` [n], one image a person, and `held_out` [m]; None of fewer than two on a side.

    `covariates` are float64 [n, p] and [m, p]. `people` int64 [m] says whom held-out row shows (None: each another
    person): the mean of a person's images counts once. The interval is Welch's.
    """
    from scipy import special

    sides, told = [train, held_out], list(covariates or ())
    if people is not None:
        sides[1], *told[1:] = (by_person(each, people) for each in (held_out, *told[1:]))
    if min(len(side) for side in sides) < 2:
        return None
    if told and told[0].shape[1] and len(train) + len(sides[1]) >= FEWEST:
        foretold = _foretold(sides, told)
        slope = _slope(sides, foretold)
        sides = [side - slope * each for side, each in zip(sides, foretold, strict=True)]
    value = float(sides[1].mean() - sides[0].mean())
    parts = [float(side.var(ddof=1)) / len(side) for side in sides]
    total = sum(parts)
    if total == 0:
        return Gap(value, value, value)
    freedom = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    half = float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2)) * total**0.5
    return Gap(value, value - half, value + half)


def too_coarse(gap: Gap, margin: float, held_out: int) -> str:
    """What to say of a gap whose interval does not tell whether it is under `margin`, of so many `held_out` people."""
    return (
        f"Of {held_out} held-out people the gap of denoising errors is known to ±{(gap.upper - gap.lower) / 2:.3f}, "
        f"which is too coarse to say that it is under its margin of {margin:.3f}: it could not be measured. Training "
        "ends by it only where it is surely above; hold out more people ([cohort] val) to know more"
    )


def by_person(values: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Means over the rows of each person: float64 [persons, ...]."""
    _, owner, counts = np.unique(people, return_inverse=True, return_counts=True)
    total = np.zeros((len(counts), *values.shape[1:]))
    np.add.at(total, owner, values)
    return np.asarray(total / counts.reshape(-1, *[1] * (values.ndim - 1)))


def _foretold(sides: list[np.ndarray], covariates: list[np.ndarray]) -> list[np.ndarray]:
    """What a ridge regression on other people, of covariates and their squares, foretells of each error, by side.

    It learns differences within a side only, so that the gap itself is not learnt.
    """
    y = np.concatenate([side - side.mean() for side in sides])
    first = len(sides[0])
    x = _standard(np.concatenate(covariates), first)
    x = _standard(np.concatenate([x, np.clip(x, -FAR, FAR) ** 2], axis=1), first)
    within = np.concatenate([part - part.mean(axis=0) for part in (x[:first], x[first:])])
    found = cross_fitted(within, x, y, np.arange(len(y)) % FOLDS) if x.shape[1] else np.zeros(len(y))
    return [found[: len(sides[0])], found[len(sides[0]) :]]


def _standard(x: np.ndarray, first: int) -> np.ndarray:
    """Columns in deviations within the sides, of which one has `first` rows; those that are the same for all go."""
    spread = np.concatenate([part - part.mean(axis=0) for part in (x[:first], x[first:])]).std(axis=0)
    kept = spread > 1e-9 * (1 + np.abs(x).max(axis=0, initial=0))
    return np.asarray((x[:, kept] - x[:, kept].mean(axis=0)) / spread[kept])


def _slope(sides: list[np.ndarray], foretold: list[np.ndarray]) -> float:
    """The common slope of errors on what was foretold of them; 0 where it was worth nothing."""
    across = sum(float(((each - each.mean()) ** 2).sum()) for each in foretold)
    along = sum(
        float(((side - side.mean()) * (each - each.mean())).sum()) for side, each in zip(sides, foretold, strict=True)
    )
    return max(along / across, 0.0) if across > 0 else 0.0
