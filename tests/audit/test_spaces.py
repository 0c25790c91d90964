"""Spaces bring copies nearer than strangers and ignore exposure."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.perturbations import PERTURBATIONS, perturbed_copies
from unpersonal.audit.spaces import KINDS, appearance, fit_space
from unpersonal.phantom import phantom_cohort


def pairwise(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum((centres**2).sum(1)[:, None] + (points**2).sum(1)[None] - 2 * centres @ points.T, 0.0))


@pytest.mark.slow
def test_a_space_brings_copies_nearer_than_strangers() -> None:
    images, subjects, _ = phantom_cohort(260, 3, 32)
    names = np.asarray(subjects)
    fitted, fresh = images[np.isin(names, np.unique(names)[:100])], images[np.isin(names, np.unique(names)[100:])]
    copies, kinds = perturbed_copies(fresh, np.random.default_rng(0))
    assert copies.dtype == np.uint8 and copies.shape == fresh.shape and set(kinds) == set(PERTURBATIONS)
    for kind in KINDS:
        space = fit_space(kind, fitted, size=32, components=48, seed=0)
        a, b = space.embed(fresh), space.embed(copies)
        distances = pairwise(b, a)
        own = distances.diagonal().copy()
        np.fill_diagonal(distances, np.inf)
        assert np.mean(own < distances.min(axis=1)) > 0.9
        assert np.allclose(space.embed(fresh[:3]), a[:3], atol=1e-4)


def test_views_ignore_brightness_and_contrast_and_survive_constant_images() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(50, 150, (1, 1, 32, 32)).astype(np.uint8)
    np.testing.assert_allclose(appearance(image, 16), appearance((image + 60).astype(np.uint8), 16), atol=1e-4)
    assert not appearance(np.full((1, 1, 32, 32), 7, dtype=np.uint8), 16).any()
    colour = np.repeat(image, 3, axis=1)
    np.testing.assert_allclose(appearance(image, 16), appearance(colour, 16), atol=1e-4)
    for kind in KINDS:
        flat = fit_space(kind, np.full((6, 1, 16, 16), 9, dtype=np.uint8), size=16, components=4, seed=0)
        assert np.isfinite(flat.embed(image)).all()
