"""Radii of given predicate weight, extrapolated from the auxiliary subjects.

The weight of a predicate is the chance that a person drawn from the population satisfies it. With m auxiliary subjects
weights below 1/m cannot be counted, and the primary weight is far below that, so the lower tail of the distance
from a predicate's centre to a random subject is modelled:

    P(d <= r) = (k/m) (r / r_k)^LID   for r <= r_k,

r_k = the k-th smallest of m distances, LID = local intrinsic dimension by the Hill / maximum-likelihood estimator
(Hill 1975; Amsaleg et al., KDD 2015, eq. 9), pooled over predicates and then shrunk towards the pooled value. The
assumption: below r_k the distance distribution is a power law with this exponent. Where the local dimension grows
towards zero (smooth densities) the model overstates weights, which costs power only; where people come in tight
clusters (twins, duplicates under two names) it understates them. `Calibration` says how far this was checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ..core.errors import InputError
from ..metrics.intervals import clopper_pearson_upper, poisson_interval
from .figures import CalibrationRow

FEWEST = 4
"""Subjects below which a set cannot be used at all; with so few the audit runs but is always inconclusive."""
RESOLVED = 5.0
"""Hits of all predicates together that must be expected at a weight, for it to be resolvable."""
ROWS = 512
"""Predicates that are looked at together: memory is bounded by this many rows of subjects."""


@dataclass(frozen=True)
class TailModel:
    """Lower tails of p predicates: `radius_k` float64 [p], `dimension` float64 [p] (the one used), and what made them.

    `share_k` is the upper confidence bound of k/m that the model uses, `lid` the pooled estimate, `lid_lower` its
    lower confidence bound. `subjects` = m, `neighbours` = k.
    """

    radius_k: np.ndarray
    dimension: np.ndarray
    share_k: float
    lid: float
    lid_lower: float
    subjects: int
    neighbours: int

    def radii(self, weight: float) -> np.ndarray:
        """Radius of each predicate at which the upper bound of its weight is `weight`, float64 [p]."""
        if not 0.0 < weight < 1.0:
            raise ValueError(f"a weight lies between 0 and 1, not {weight}")
        return self.radius_k * min(weight / self.share_k, 1.0) ** (1.0 / self.dimension)


def fit_tails(
    distances: np.ndarray, *, neighbours: float = 0.1, shrinkage: float = 100.0, confidence: float = 0.95
) -> TailModel:
    """Fit the tails of p predicates from subject-level `distances` [p, m] to auxiliary subjects.

    An entry `inf` leaves that subject out for that predicate (a placebo's own subject; at most one per row). The
    standard error of the pooled LID treats subjects, not pairs, as the independent units (ratio estimator,
    linearised); its lower bound at `confidence`, and the Clopper-Pearson upper bound of k/m, are what `radii` uses.
    """
    predicates, total = distances.shape
    m = total - int(np.isinf(distances).any(axis=1).max()) if predicates else total
    if m < FEWEST:
        raise InputError(
            f"Only {m} auxiliary subjects certify predicate weights", where="audit", how=f"give at least {FEWEST}"
        )
    k = nearest_count(neighbours, m)
    radius_k = np.empty(predicates)
    counts, sums = np.zeros(predicates), np.zeros(predicates)
    per_subject_count, per_subject_sum = np.zeros(total), np.zeros(total)
    for start in range(0, predicates, ROWS):
        part = slice(start, start + ROWS)
        values = np.asarray(distances[part], dtype=np.float64)
        radius_k[part] = np.partition(values, k - 1, axis=1)[:, k - 1]
        inside, logs = tail_logarithms(values, radius_k[part, None])
        counts[part], sums[part] = inside.sum(axis=1), logs.sum(axis=1)
        per_subject_count += inside.sum(axis=0)
        per_subject_sum += logs.sum(axis=0)
    pooled, lower = pooled_dimension(per_subject_count, per_subject_sum, m, confidence)
    own = (counts + shrinkage) / np.maximum(sums + shrinkage / max(pooled, 1e-12), 1e-12)
    return TailModel(
        radius_k=radius_k,
        dimension=np.maximum(own * (lower / max(pooled, 1e-12)), 1e-3),
        share_k=clopper_pearson_upper(k, m, confidence),
        lid=pooled,
        lid_lower=lower,
        subjects=m,
        neighbours=k,
    )


def nearest_count(neighbours: float, subjects: int) -> int:
    """How many nearest of so many subjects make a tail: a share `neighbours`, at least 10, at most half of them."""
    return min(max(10, round(neighbours * subjects)), subjects // 2)


def tail_logarithms(values: np.ndarray, limit: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Which of `values` are below `limit`, and log(limit / value) of these, 0 of the others.

    A value of zero (a duplicate) has no logarithm; it counts as very small, which lowers the dimension.
    """
    above_zero = np.maximum(limit, 1e-12)
    inside = values < limit
    clipped = np.where(inside, np.maximum(values, 1e-4 * above_zero), above_zero)
    return inside, np.log(above_zero / clipped)


def pooled_dimension(counts: np.ndarray, sums: np.ndarray, subjects: int, confidence: float) -> tuple[float, float]:
    """Hill's estimate out of the counts and sums of logarithms of every subject, and its lower bound."""
    total = max(float(sums.sum()), 1e-12)
    pooled = float(counts.sum()) / total
    residual = counts - pooled * sums
    error = float(np.sqrt((residual**2).sum() * subjects / (subjects - 1))) / total
    return pooled, max(pooled - float(special.ndtri(confidence)) * error, 0.25 * pooled, 1e-3)


def calibration(distances: np.ndarray, model: TailModel, nominal: Sequence[float]) -> tuple[CalibrationRow, ...]:
    """Observed against nominal weights on subjects that fitted nothing; `distances` [p, S] to those subjects.

    The mean over predicates of the share of subjects within the radius. Bounds over subjects: normal where hits come
    from many subjects, and never below the exact Poisson bound on the number of subjects that were hit (Garwood 1936),
    scaled by the mean hits of such a subject. A weight is `resolvable` where the expected number of hits, all
    predicates together, is at least 5.
    """
    rows = []
    predicates, subjects = distances.shape
    for weight in nominal:
        per_subject = (distances <= model.radii(weight)[:, None]).mean(axis=0)
        observed = float(per_subject.mean())
        error = float(per_subject.std(ddof=1) / np.sqrt(subjects))
        hit = int((per_subject > 0).sum())
        each = observed * subjects / hit if hit else 1.0 / predicates
        poisson_low, poisson_high = poisson_interval(hit)
        rows.append(
            CalibrationRow(
                nominal=weight,
                observed=observed,
                lower=max(0.0, min(observed - 1.96 * error, poisson_low * each / subjects)),
                upper=min(1.0, max(observed + 1.96 * error, poisson_high * each / subjects)),
                resolvable=weight * predicates * subjects >= RESOLVED,
            )
        )
    return tuple(rows)
