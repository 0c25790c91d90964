"""Figures of inference: right guesses about train people against right guesses about control people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .attack import Guesses
from .bounds import Estimate, z_of
from .rows import InferenceRow


def inference_rows(
    guesses: Sequence[Guesses], names: Sequence[str], train: np.ndarray, confidence: float, own: int
) -> tuple[InferenceRow, ...]:
    """A row for each attack that guessed about at least two people of either side; Welch's bounds over subjects."""
    rows = []
    for number, (given, name) in enumerate(zip(guesses, names, strict=True)):
        right = np.asarray(given.right, dtype=np.float64)
        inside, outside = right[train & ~np.isnan(right)], right[~train & ~np.isnan(right)]
        if min(len(inside), len(outside)) < 2:
            continue
        sure = z_of(1.0 - (1.0 - confidence) / (own if number < own else len(guesses)))
        spread = above_estimate(inside, outside).rest ** 0.5
        above = float(inside.mean() - outside.mean())
        rows.append(
            InferenceRow(
                name=name,
                right_train=float(inside.mean()),
                right_control=float(outside.mean()),
                above=above,
                above_lower=above - sure * spread,
                above_upper=above + z_of(confidence) * spread,
            )
        )
    return tuple(rows)


def above_estimate(inside: np.ndarray, outside: np.ndarray) -> Estimate:
    """Difference of means with its variance; never under that of one person on either side who differs."""
    variance = inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside)
    least = 1.0 / len(inside) ** 2 + 1.0 / len(outside) ** 2
    return Estimate(float(inside.mean() - outside.mean()), float(max(variance, least)))
