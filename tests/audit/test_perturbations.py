"""Perturbed copies are near the image they are made of, and not the same."""

from __future__ import annotations

import numpy as np

from unpersonal.audit.perturbations import PERTURBATIONS
from unpersonal.phantom import phantom_cohort


def test_perturbations_are_small_and_do_something() -> None:
    images, _, _ = phantom_cohort(12, 1, 64)
    for name, perturb in PERTURBATIONS.items():
        moved = np.stack([perturb(image, np.random.default_rng(i)) for i, image in enumerate(images)])
        change = np.abs(moved.astype(float) - images).mean()
        assert moved.shape == images.shape and moved.dtype == np.uint8, name
        assert 0.2 < change < 25, (name, change)
