"""Invented people on whom a codec can be fitted, so that it says nothing of anybody."""

from __future__ import annotations

import numpy as np

from ..phantom import phantom_cohort

SUBJECTS = 1000
HELD_OUT = 0.1
"""Share of the images on which training may be stopped."""


def invented_images(fitted_on: str, shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images uint8 [n,C,S,S] of phantoms for `shape` [.., C,S,S], rows to fit on and other people's rows.

    `fitted_on` is `phantom-` and a modality; what is drawn follows from it, size and `seed` alone.
    """
    channels, size = shape[-3], shape[-1]
    images, subjects, _ = phantom_cohort(
        SUBJECTS, seed, size, stream="codec", modality=fitted_on.removeprefix("phantom-")
    )
    _, whose = np.unique(subjects, return_inverse=True)
    held = whose >= round(SUBJECTS * (1 - HELD_OUT))
    return np.repeat(images, channels, axis=1), np.flatnonzero(~held), np.flatnonzero(held)
