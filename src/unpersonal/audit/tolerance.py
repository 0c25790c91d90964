"""Tolerance limits: how far may innocent values reach, where many are looked at and few are known?

The limit for a probability that nobody can count is extrapolated from the largest values known (peaks over threshold;
Pickands, Annals of Statistics 1975). Their excesses are taken for exponential, or for generalised Pareto where they
spread more than that; never for thinner, and with an upper confidence bound of their scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

FEWEST_KNOWN = 40
"""Values below which no limit is extrapolated."""
TOP_SHARE = 0.1
"""Share of the values whose excesses are fitted."""
LEAST_TOP, MOST_TOP = 10, 100
"""Their number is kept between these."""
CONFIDENCE = 0.95
"""One-sided confidence of the scale of the excesses."""
HEAVY = 2.0
"""Standard errors by which their coefficient of variation exceeds that of an exponential before they count as heavy."""


@dataclass(frozen=True)
class Tolerance:
    """A limit that an innocent value exceeds with at most the `probability`, and what it rests on.

    `known` values were there; the `top` largest exceed `start` by `scale` on average, with the given Pareto `shape`.
    """

    limit: float
    probability: float
    known: int
    top: int
    start: float
    scale: float
    shape: float


def tolerance_limit(known: np.ndarray, probability: float, *, least_shape: float = 0.0) -> Tolerance | None:
    """The limit by innocent values float [n] (NaN are left out); None where they are too few to carry one.

    With a share t/n of the values above u, excesses of shape 0 give u + s log(t / (n p)), those of shape k > 0
    u + s ((t / (n p))^k - 1) / k (Coles, 2001, equation 4.12). s is multiplied by 2t over the lower quantile of
    chi-square with 2t degrees of freedom, its exact upper bound for exponential excesses. k is `least_shape` at least.
    """
    values = np.sort(np.asarray(known, dtype=np.float64))
    values = values[np.isfinite(values)][::-1]
    if len(values) < FEWEST_KNOWN:
        return None
    top = min(max(int(TOP_SHARE * len(values)), LEAST_TOP), MOST_TOP)
    start = float(values[top])
    excess = values[:top] - start
    scale, shape = _fitted(excess)
    if shape < least_shape:  # the mean of the excesses is scale / (1 - shape)
        scale, shape = float(excess.mean()) * (1.0 - least_shape), least_shape
    careful = scale * top / float(special.gammaincinv(top, 1.0 - CONFIDENCE))
    ratio = max(top / (len(values) * probability), 1.0)
    reach = np.log(ratio) if shape == 0.0 else np.expm1(shape * np.log(ratio)) / shape
    return Tolerance(start + careful * float(reach), probability, len(values), top, start, scale, shape)


def _fitted(excess: np.ndarray) -> tuple[float, float]:
    """Scale and shape of excesses by their moments (Hosking and Wallis, Technometrics 1987, equation 5)."""
    mean = float(excess.mean())
    if mean <= 0.0:
        return 0.0, 0.0
    variation = float(excess.std()) / mean
    if variation <= 1.0 + HEAVY / len(excess) ** 0.5:
        return mean, 0.0
    return mean * (1.0 + variation**-2) / 2.0, (1.0 - variation**-2) / 2.0
