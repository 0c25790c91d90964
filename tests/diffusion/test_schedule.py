"""The learning rate by hand."""

from __future__ import annotations

import pytest

from unpersonal.diffusion.schedule import learning_rate


def test_learning_rate_by_hand() -> None:
    given = {"batch": 10, "ref_lr": 0.5, "ref_batches": 100, "rampup_images": 50}
    assert learning_rate(0, **given) == 0
    assert learning_rate(25, **given) == pytest.approx(0.25)
    assert learning_rate(1000, **given) == pytest.approx(0.5)
    assert learning_rate(4000, **given) == pytest.approx(0.25)
