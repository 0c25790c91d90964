"""Precision, recall, density and coverage against loops."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.metrics.generative.prdc import prdc


def sets(seed: int, *sizes: int, d: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) + 0.2 * i for i, n in enumerate(sizes)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum()))


@pytest.mark.parametrize("k", [1, 5])
def test_prdc_by_loops(k: int) -> None:
    real, synth = sets(5, 25, 25, d=2)
    synth[:4] = real[:4]
    radius_real = [sorted(distance(a, b) for b in real)[k] for a in real]
    radius_synth = [sorted(distance(a, b) for b in synth)[k] for a in synth]
    inside = [[distance(r, s) < radius for s in synth] for r, radius in zip(real, radius_real, strict=True)]
    result = prdc(real, synth, k=k)
    assert result.precision == np.mean([any(row[j] for row in inside) for j in range(25)])
    assert result.density == pytest.approx(sum(map(sum, inside)) / (k * 25))
    assert result.coverage == np.mean([any(row) for row in inside])
    assert result.recall == np.mean(
        [any(distance(r, s) < radius for s, radius in zip(synth, radius_synth, strict=True)) for r in real]
    )


def test_prdc_at_equal_size_and_at_the_extremes() -> None:
    real, synth = sets(6, 40, 20)
    subset = np.random.default_rng(0).choice(40, 20, replace=False)
    assert prdc(real, synth, real_subset=subset) == prdc(real[subset], synth)
    far = prdc(real, real + 100.0)
    assert (far.precision, far.recall, far.density, far.coverage) == (0.0, 0.0, 0.0, 0.0)
