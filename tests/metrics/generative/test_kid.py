"""KID against loops."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.metrics.generative.kid import kid, mmd2_unbiased


def sets(seed: int, *sizes: int, d: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) + 0.2 * i for i, n in enumerate(sizes)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum()))


def test_kid_by_loops() -> None:
    x, y = sets(3, 7, 7)
    m, d = x.shape

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / d + 1) ** 3

    within = sum(kernel(z[i], z[j]) for z in (x, y) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(a, b) for a in x for b in y)
    assert mmd2_unbiased(x, y) == pytest.approx(within / (m * (m - 1)) - 2 * across / m**2)


def test_kid_is_unbiased_and_grows_with_distance() -> None:
    rng = np.random.default_rng(4)
    same = np.mean([kid(rng.normal(size=(40, 3)), rng.normal(size=(40, 3)), rng=rng, subsets=5).kid for _ in range(60)])
    far = kid(rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 2, rng=rng).kid
    assert abs(same) < 0.15
    assert far > 1.0
    with pytest.raises(ValueError):
        kid(np.ones((3, 2)), np.ones((9, 2)), rng=rng)
