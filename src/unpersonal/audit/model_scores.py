"""Scores of images that become scores of subjects."""

from __future__ import annotations

import numpy as np


def standard(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """`values` [n, s] in standard deviations from the mean of each column."""
    found: np.ndarray = (values - mean) / deviation
    return found


def per_subject(values: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Mean over the images of every subject: `values` float64 [n] to float64 [N], in the order of their names."""
    _, groups, counts = np.unique(np.asarray(subjects).astype(str), return_inverse=True, return_counts=True)
    found: np.ndarray = np.bincount(groups, weights=values) / counts
    return found
