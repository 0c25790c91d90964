"""FID against closed forms and the matrix square root."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from unpersonal.metrics.generative.fid import frechet_distance


def sets(seed: int, *sizes: int, d: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) + 0.2 * i for i, n in enumerate(sizes)]


def test_fid_of_gaussians_with_commuting_covariances() -> None:
    """(sum over axes of) (m1 - m2)^2 + (s1 - s2)^2, exactly, where the samples' covariances are diagonal."""
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float)
    a, b = signs * [1.0, 2.0], signs * [3.0, 0.5] + [2.0, -1.0]
    unbiased = np.sqrt(4 / 3)
    expected = 5.0 + ((1 - 3) * unbiased) ** 2 + ((2 - 0.5) * unbiased) ** 2
    assert frechet_distance(a, b).fid == pytest.approx(expected)


def test_fid_against_the_matrix_square_root() -> None:
    x, y = sets(1, 60, 45, d=6)
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    result = frechet_distance(x, y)
    assert result.cov == pytest.approx(-2 * np.trace(sqrtm(s1 @ s2)).real)
    assert result.fid == pytest.approx(frechet_distance(y, x).fid)
    assert frechet_distance(x, x).fid == pytest.approx(0.0, abs=1e-9)


def test_fid_with_singular_covariances() -> None:
    x, y = sets(2, 5, 4, d=30)
    x[:, 3] = y[:, 3] = 1.0
    result = frechet_distance(x, y)
    assert np.isfinite(result.fid)
    assert result.fid > 0
    line = np.zeros((3, 30))
    assert frechet_distance(line, line).fid == 0.0
    with pytest.raises(ValueError):
        frechet_distance(x[:1], y)
