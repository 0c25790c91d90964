"""Principal components of images."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.features.encoders.pca import ENCODER
from unpersonal.features.pca import fit_pca, standardised


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 1, 32, 32), dtype=np.uint8)


def test_pca_agrees_with_the_covariance(images):
    encoder = fit_pca(images, 5, size=16)
    rows = standardised(images, 16)
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1][:5]
    assert np.allclose(encoder.transform(images).var(0, ddof=1), values, rtol=1e-4)
    assert np.allclose(encoder.basis.T @ encoder.basis, np.eye(5), atol=1e-10)
    assert np.allclose(np.linalg.norm(encoder.unit(images), axis=1), 1, atol=1e-6)


def test_standardised_ignores_brightness_and_contrast(images):
    dim = (images // 2 + 20).astype(np.uint8)
    assert np.allclose(standardised(images, 16), standardised(dim, 16), atol=0.05)


def test_a_saved_encoder_is_the_same_encoder(images):
    encoder = fit_pca(images, 5, size=16)
    assert np.array_equal(ENCODER.load(ENCODER.save(encoder)).unit(images), encoder.unit(images))
