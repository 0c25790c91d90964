"""One threshold for all predicates of a family, certified by counting strangers and never by a product of factors.

The mean weight of p predicates is the share of the p·S pairs of a predicate and a stranger that hit. Pairs of one
stranger are not independent, so that its upper bound counts strangers: Garwood's on those who are hit by any predicate,
times the mean number of predicates that hit such a one. Legend: p predicates, S strangers, h pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from .weights import RESOLVED, pooled_dimension, tail_logarithms

NEAREST = 10
"""Thresholds that strangers are too few to count are extrapolated from this nearest one: one double decides nothing."""


@dataclass(frozen=True)
class Pairs:
    """All pairs with a value below `limit`: `predicate`, `subject` int64 [h], `value` float64 [h]; small = a hit.

    `predicates` and `subjects` say out of how many.
    """

    predicate: np.ndarray
    subject: np.ndarray
    value: np.ndarray
    predicates: int
    subjects: int
    limit: float

    @property
    def total(self) -> int:
        """Pairs that there are, those above the limit included."""
        return self.predicates * self.subjects


@dataclass(frozen=True)
class Threshold:
    """Predicates hit where their value is below `value`; their mean weight is then at most `weight`.

    `resolvable` says whether the strangers were enough to count that; otherwise `value` is extrapolated.
    """

    value: float
    weight: float
    resolvable: bool


def mean_weight_upper(pairs: int, subjects: int, total: int, confidence: float) -> float:
    """Upper bound of the mean weight where `pairs` of `total` hit, which belong to so many `subjects`."""
    each = max(pairs / subjects, 1.0) if subjects else 1.0
    return float(special.gammaincinv(subjects + 1, confidence)) * each / total


def fit_threshold(pairs: Pairs, weight: float, confidence: float) -> Threshold:
    """The largest threshold at which the upper bound of the mean weight is `weight`.

    Where at least five hits are expected it lies below the first pair with which the bound would be exceeded: the order
    statistic of a tolerance limit (Wilks 1941), whose confidence is that of the bound. Where they are fewer it is
    extrapolated from the tenth nearest stranger by the power law of `weights`.
    """
    resolvable = weight * pairs.total >= RESOLVED
    if pairs.total == 0 or len(pairs.value) == 0:
        return Threshold(pairs.limit if resolvable else 0.0, weight, resolvable)
    order = np.argsort(pairs.value, kind="stable")
    value, subject = pairs.value[order], pairs.subject[order]
    new = np.zeros(len(value), dtype=bool)
    new[np.unique(subject, return_index=True)[1]] = True
    people = np.cumsum(new)
    if resolvable:
        return Threshold(_counted(value, people, pairs, weight, confidence), weight, True)
    nearest = min(NEAREST, max(int(people[-1]) // 2, 1))
    at = int(np.searchsorted(people, nearest))
    upper = mean_weight_upper(at, int(people[at - 1]) if at else 0, pairs.total, confidence)
    found = value[at] * min(weight / upper, 1.0) ** (1.0 / _dimension(pairs, confidence))
    return Threshold(float(found), weight, False)


def _counted(value: np.ndarray, people: np.ndarray, pairs: Pairs, weight: float, confidence: float) -> float:
    """The value of the first pair, of values [h] in ascending order, with which `weight` would be exceeded."""
    hits = np.arange(1, len(value) + 1)
    bounds = special.gammaincinv(people + 1, confidence) * np.maximum(hits / people, 1.0) / pairs.total
    exceeded = np.flatnonzero(bounds > weight)
    return float(value[exceeded[0]]) if len(exceeded) else pairs.limit


def _dimension(pairs: Pairs, confidence: float) -> float:
    """Lower bound of the exponent with which the share of pairs below a value falls."""
    _, logs = tail_logarithms(pairs.value, pairs.limit)
    counts = np.bincount(pairs.subject, minlength=pairs.subjects).astype(np.float64)
    sums = np.bincount(pairs.subject, weights=logs, minlength=pairs.subjects)
    return pooled_dimension(counts, sums, pairs.subjects, confidence)[1]
