"""AuthPct against loops."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.metrics.generative.authpct import authentic, authpct


def sets(seed: int, *sizes: int, d: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) + 0.2 * i for i, n in enumerate(sizes)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum()))


def test_authpct_by_loops() -> None:
    train, synth = sets(7, 20, 15)
    synth[:5] = train[3:8]
    expected = []
    for s in synth:
        gaps = [distance(s, t) for t in train]
        i = int(np.argmin(gaps))
        expected.append(min(distance(train[i], t) for j, t in enumerate(train) if j != i) < gaps[i])
    assert authentic(train, synth).tolist() == expected
    assert authpct(train, synth) == pytest.approx(100 * np.mean(expected))
    assert authpct(train, train) == 0.0
