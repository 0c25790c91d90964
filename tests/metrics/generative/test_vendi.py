"""Vendi scores of groups that can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.metrics.generative.vendi import vendi


def test_vendi_counts_orthogonal_groups() -> None:
    rows = np.repeat(np.eye(6)[:4] * 3.0, 5, axis=0)
    for order in (0.5, 1, 2, np.inf):
        assert vendi(rows, order) == pytest.approx(4.0)
    uneven = np.repeat(np.eye(2), [3, 1], axis=0)
    shares = np.array([0.75, 0.25])
    assert vendi(uneven) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert vendi(uneven, 2) == pytest.approx(1 / (shares**2).sum())
    assert vendi(uneven, np.inf) == pytest.approx(1 / 0.75)
    with pytest.raises(ValueError):
        vendi(np.zeros((3, 2)))
