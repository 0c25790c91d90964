"""C_T against scipy, its sign and its cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from unpersonal.metrics.generative.ct import LEAST_SYNTHETIC, ct, z_score


def sets(seed: int, *sizes: int, d: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) + 0.2 * i for i, n in enumerate(sizes)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum()))


def test_ct_statistic_against_scipy_and_its_sign() -> None:
    train, test, synth = sets(8, 50, 30, 25)
    far = [min(distance(row, t) for t in train) for row in synth]
    near = [min(distance(row, t) for t in train) for row in test]
    u = mannwhitneyu(far, near).statistic
    assert z_score(train, test, synth) == pytest.approx((u - (25 * 30 / 2 - 0.5)) / np.sqrt(25 * 30 * 56 / 12))
    assert z_score(train, test, train) < -5
    assert z_score(train, test, test + 50.0) > 5


@pytest.mark.slow
def test_ct_is_centred_without_copying() -> None:
    rng = np.random.default_rng(9)
    values = [ct(*(rng.normal(size=(n, 3)) for n in (90, 80, 80)), rng=rng).value for _ in range(40)]
    assert abs(np.mean(values)) < 0.6


def test_ct_leaves_small_cells_out() -> None:
    train, test, synth = sets(10, 60, 60, 60)
    labels = np.zeros(60, dtype=int)
    few = labels.copy()
    few[:LEAST_SYNTHETIC] = 1
    half = np.arange(60) % 2
    result = ct(train, test, synth, cells=(half, half, few))
    assert result.used == (True, False)
    assert result.value == pytest.approx(z_score(train[half == 0], test[half == 0], synth[few == 0]))
    lonely = ct(train, test, synth, cells=(labels, labels, few))
    assert lonely.z_per_cell[1] is None
    with pytest.raises(ValueError):
        ct(train, test, synth[:20], cells=(labels, labels, labels[:20]))
