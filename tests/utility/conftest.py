"""The cohort of the studies that utility is measured on."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.cohort.table import Cohort


@pytest.fixture
def cohort() -> Cohort:
    """160 subjects with two images each; the labels `normal` and `virus` take turns, and so do the splits."""
    import pandas as pd

    numbers, classes = np.repeat(np.arange(160), 2), ("normal", "virus")
    table = pd.DataFrame(
        {
            "image": [f"{row}.png" for row in range(320)],
            "subject": [f"s{number}" for number in numbers],
            "labels": [[classes[number % 2]] for number in numbers],
            "split": [("train", "train", "val", "test", "aux")[(number // 2) % 5] for number in numbers],
            "sha256": [f"{row:064x}" for row in range(320)],
        }
    )
    return Cohort(table, classes, seed=1)
