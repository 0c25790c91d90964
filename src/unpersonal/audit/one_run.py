"""A lower bound on ε from one training run (Steinke, Nasr & Jagielski, NeurIPS 2023, arXiv 2305.08846).

m canaries were each trained on by the toss of a fair coin of their own. An attacker guesses r of the tosses, and v of
the guesses are right. Were the procedure (ε, δ)-differentially private, v could hardly be large.
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtrc, expit

LARGEST = 40.0
"""No epsilon above it is told."""


def p_value(right: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """Bound of P(at least `right` of `guesses` right) under (ε, δ)-differential privacy (theorem 5.2 of the paper).

    f(v) + 2 m δ max_i (f(v - i) - f(v)) / i over 1 <= i <= v, where f(v) = P(Binomial(r, e^ε / (e^ε + 1)) >= v).
    """
    if not 0 <= right <= guesses <= canaries:
        raise ValueError(f"{right} right ones of {guesses} guesses about {canaries} canaries")
    if right == 0:
        return 1.0
    v = np.arange(right + 1)
    # bdtrc(k, n, q) = P(X > k), for k >= 0
    at_least = np.where(v == 0, 1.0, bdtrc(np.maximum(v - 1.0, 0.0), guesses, expit(epsilon)))
    steps = np.arange(1, right + 1)
    steepest = float(((at_least[right - steps] - at_least[right]) / steps).max())
    return float(min(1.0, at_least[right] + 2.0 * canaries * delta * steepest))


def epsilon_lower(right: int, guesses: int, canaries: int, *, delta: float, confidence: float) -> float:
    """The largest ε that is refuted at that confidence, 0 where none is: the true one is above it."""
    alpha = 1.0 - confidence
    if p_value(right, guesses, canaries, 0.0, delta) > alpha:
        return 0.0
    low, high = 0.0, LARGEST
    for _ in range(60):
        middle = (low + high) / 2
        if p_value(right, guesses, canaries, middle, delta) <= alpha:
            low = middle
        else:
            high = middle
    return low
