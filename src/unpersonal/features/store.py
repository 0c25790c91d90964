"""The features of a study on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.tensors import open_array


def load_features(study: Path) -> np.ndarray:
    """Memory-mapped float32 [n,d] with rows of unit length, one per row of the cohort."""
    return open_array(study / "features" / "features.npy")
