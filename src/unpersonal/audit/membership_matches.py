"""Membership read from matches: how surely, and how often, released images are named after a subject.

Legend: q released images, t strangers, N subjects.
"""

from __future__ import annotations

import numpy as np

from .enrolled import Enrolled, Naming

TAIL = 0.1
"""Share of the strangers whose scores say how the tail falls."""
PRIOR = 1.0
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


def match_scores(enrolled: Enrolled, naming: Naming, images: np.ndarray) -> np.ndarray:
    """Score float64 [N] of every subject: the surprise of the images named after it, beyond what strangers would give.

    Named by chance, an image adds an exponential number of mean 1, so that with an expected number of names the sum has
    that mean, and twice that variance. The expectation is that of strangers, who name those whom everybody is like, and
    of the number of `images` [N] of the subject, which are as many chances to be named.
    """
    count = len(images)
    found = np.bincount(naming.subject, surprise(naming.score, enrolled.strangers), count)
    usual = np.bincount(enrolled.stranger_named, surprise(enrolled.strangers, enrolled.strangers), count)
    usual += PRIOR * images / images.mean()
    expected = len(naming.score) * usual / usual.sum()
    scores: np.ndarray = (found - expected) / np.sqrt(2.0 * expected)
    return scores
