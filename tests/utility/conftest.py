"""The cohort of the studies that utility is measured on."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.cohort.table import Cohort


@pytest.fixture
def cohort() -> Cohort:
    """160 subjects with two images each; the labels `normal` and `virus` take turns, and so do the splits."""
    import pandas as pd

    people, classes = np.repeat(np.arange(160), 2), ("normal", "virus")
    table = pd.DataFrame(
        {
            "image": [f"{row}.png" for row in range(320)],
            "subject": [f"s{person}" for person in people],
            "labels": [[classes[person % 2]] for person in people],
            "split": [("train", "train", "val", "test", "aux")[(person // 2) % 5] for person in people],
            "sha256": [f"{row:064x}" for row in range(320)],
        }
    )
    return Cohort(table, classes, seed=1)
