"""Canaries: whoever sees the release guesses which of them were trained on, and ε is bounded by how well that goes."""

from __future__ import annotations

import numpy as np

from ..metrics.roc import auroc, mid_ranks
from .background import PRIMARY, Background
from .canary_figures import CanaryFigures
from .distances import group
from .membership import relative_distance
from .one_run import epsilon_lower

SHARES = (0.1, 0.25, 0.5, 1.0)
"""Shares of the canaries about which the attacker guesses; the level is divided among them."""
DELTA = 1e-5
CONFIDENCE = 0.95


def canary_scores(images: np.ndarray, background: Background) -> np.ndarray:
    """How much the release looks like it was made with each canary, float64 [m]: mean rank over all ways to look.

    These are the distance to the nearest released image, relative to how near strangers come, and every matcher.
    """
    balls = background.balls(PRIMARY)
    own = np.array([f"{i:09d}" for i in range(len(images))])
    points = group(balls.space.embed(images), own)
    relative, _ = relative_distance(balls.centres, points, background.reference(PRIMARY))
    looks = [-relative]
    released = np.ascontiguousarray(background.released)
    names = np.array([str(i) for i in range(len(released))])
    for fitted in background.matchers():
        score = fitted.matcher.score(np.ascontiguousarray(images), fitted.matcher.enrol(released, names)).score
        looks.append(np.where(np.isfinite(score), score, -np.inf))
    found: np.ndarray = np.mean([mid_ranks(look) for look in looks], axis=0)
    return found


def bound_of(scores: np.ndarray, included: np.ndarray) -> CanaryFigures:
    """The bound from `scores` float64 [m], high where a canary is guessed to be `included` bool [m].

    Of r guesses half are "in", about the highest scores, and half are "out", about the lowest.
    """
    m = len(scores)
    order = np.argsort(-scores, kind="stable")
    tried = []
    for count in sorted({max(2 * round(share * m / 2), 2) for share in SHARES if m >= 2}):
        half = min(count, m) // 2
        right = int(included[order[:half]].sum() + (~included[order[m - half :]]).sum())
        confidence = 1.0 - (1.0 - CONFIDENCE) / len(SHARES)
        tried.append((epsilon_lower(right, 2 * half, m, delta=DELTA, confidence=confidence), 2 * half, right))
    bound, guesses, right = max(tried, default=(0.0, 0, 0))
    both = bool(included.any() and not included.all())
    return CanaryFigures(
        canaries=m,
        guesses=guesses,
        right=right,
        auroc=auroc(scores, included) if both else 0.5,
        epsilon_lower=bound,
        delta=DELTA,
        confidence=CONFIDENCE,
    )
