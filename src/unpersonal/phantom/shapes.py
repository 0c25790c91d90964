"""Smooth shapes that a phantom is put together from; all keep float32 and the shape of their argument.

Written with in-place steps because a drawing evaluates some hundred of them on every pixel.
"""

from __future__ import annotations

import numpy as np


def step(x: np.ndarray, softness: np.ndarray | np.floating | float) -> np.ndarray:
    """0 to 1 as x passes 0, a ramp of half-width 2·softness with smooth ends (cheaper than a logistic)."""
    t = x * (0.25 / softness)
    t += 0.5
    np.clip(t, 0.0, 1.0, out=t)
    ramp = t * -2.0
    ramp += 3.0
    ramp *= t
    ramp *= t
    return ramp


def bump(x: np.ndarray) -> np.ndarray:
    """(1 - x²)² inside |x| < 1, else 0: a smooth ridge with bounded support."""
    return _falloff(x * x)


def ball(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`bump` of the distance from the origin, without its root."""
    return _falloff(x * x + y * y)


def _falloff(squared: np.ndarray) -> np.ndarray:
    """(1 - squared)² below 1, else 0; overwrites its argument."""
    np.subtract(1.0, squared, out=squared)
    np.maximum(squared, 0.0, out=squared)
    squared *= squared
    return squared
