"""How many dimensions features use."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.features.conditions.feature import effective_dimensions


def test_effective_dimensions():
    rng = np.random.default_rng(0)
    assert effective_dimensions(rng.normal(size=(5000, 4))) == pytest.approx(4, rel=0.05)
    assert effective_dimensions(rng.normal(size=(500, 1)) * np.ones((1, 4))) == pytest.approx(1, rel=1e-6)
