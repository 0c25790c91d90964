"""Membership read from matches: how surely, and how often, released images are named after a subject.

Legend: q released images, t strangers, N subjects.
"""

from __future__ import annotations

import numpy as np

from .enrolled import Enrolled, Naming

TAIL = 0.1
"""Share of the strangers whose scores say how the tail falls."""
LARGEST = 600.0
"""Sum of surprise beyond which all are called the same; its chance is near the smallest number there is."""
MOST = 400
"""Names of one subject that are reckoned with."""
PRIOR = 0.6
"""Strangers by which everybody is taken to be named before any was seen: few of them name the same subject twice."""


def surprise(scores: np.ndarray, strangers: np.ndarray) -> np.ndarray:
    """Minus the logarithm of the share of strangers with as high a score, float64 [q] of scores [q].

    Scores of strangers [t] are in descending order. Above all but `TAIL` of them the share falls exponentially with the
    mean excess of the strangers there (peaks over a threshold: Davison & Smith, JRSS B 1990), so that a certain match
    stands far above the best of the strangers. Without strangers every image says the same.
    """
    if len(strangers) == 0:
        return np.ones(len(scores))
    count = len(strangers)
    inside = np.searchsorted(-strangers, -scores, side="right")
    found = -np.log((inside + 1.0) / (count + 1.0))
    top = int(np.ceil(TAIL * count))
    threshold = float(strangers[top - 1])
    excess = max(float(np.mean(strangers[:top] - threshold)), 1e-6 + 1e-3 * float(np.std(strangers)))
    beyond = scores > threshold
    found[beyond] = np.log((count + 1.0) / (top + 1.0)) + (scores[beyond] - threshold) / excess
    return np.asarray(np.maximum(found, 0.0), dtype=np.float64)


def strongest(naming: Naming, pictures: np.ndarray) -> Naming:
    """The naming of the likeliest view of each released picture; `pictures` int64 [q] say which picture it shows."""
    order = np.lexsort((-naming.score, pictures))
    return naming.only(order[np.unique(pictures[order], return_index=True)[1]])


def match_scores(enrolled: Enrolled, naming: Naming, images: np.ndarray) -> np.ndarray:
    """Score float64 [N] of every subject: the surprise of the images named after it, beyond what strangers would give.

    Named by chance, an image adds an exponential number of mean 1, so that half of a chi-square with no degrees of
    freedom is expected (Siegel, Biometrika 1979). The score is minus the logarithm of the chance of more than what was
    found, and half of as much (mid-p: Lancaster, JASA 1961): on average nobody's is higher than another's. The expected
    number of names is that of strangers, who name those whom everybody is like, and grows with the number of `images`
    [N] of the subject, which are as many chances to be named.
    """
    count = len(images)
    found = np.bincount(naming.subject, surprise(naming.score, enrolled.strangers), count)
    others = enrolled.others
    known = np.isfinite(others.score)
    usual = np.bincount(others.subject[known], surprise(others.score[known], others.strangers), count)
    usual += PRIOR * images / images.mean()
    return -_log_chance_of_more(np.minimum(found, LARGEST), len(naming.score) * usual / usual.sum())


def _log_chance_of_more(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Logarithm of the mid-p of sums [N] of Poisson numbers of mean `expected` [N] of exponential numbers of mean 1."""
    from scipy.special import gammaincc, gammaln

    numbers = np.arange(1, MOST + 1)
    chances = np.exp(numbers * np.log(expected)[:, None] - expected[:, None] - gammaln(numbers + 1))
    more = (chances * gammaincc(numbers, found[:, None])).sum(axis=1)
    logarithm: np.ndarray = np.log(more + 0.5 * np.exp(-expected) * (found <= 0))
    return logarithm
