"""The cohort of the studies that utility is measured on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies import cohort_of
from unpersonal.cohort.table import Cohort


@pytest.fixture
def cohort() -> Cohort:
    """160 subjects with two images each; the labels `normal` and `virus` take turns, and so do the splits."""
    numbers, classes = np.repeat(np.arange(160), 2), ("normal", "virus")
    return cohort_of(
        [f"s{number}" for number in numbers],
        [classes[number % 2] for number in numbers],
        [("train", "train", "val", "test", "aux")[(number // 2) % 5] for number in numbers],
        seed=1,
    )
