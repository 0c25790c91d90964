"""The people of whom the small audits are made."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.phantom import phantom_cohort


@pytest.fixture(scope="session")
def phantoms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images, subjects, labels = phantom_cohort(400, 5, 32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    return images, np.asarray(subjects), np.asarray(labels)
