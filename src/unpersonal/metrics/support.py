"""Support: how much of a reference set is retrieved by the synthetic set."""

from __future__ import annotations

import numpy as np

from .neighbours import nearest


def support_fraction(reference: np.ndarray, synthetic: np.ndarray) -> float:
    """Distinct nearest reference rows of the synthetic rows, as a share of all reference rows (no subsampling)."""
    hit, _ = nearest(synthetic, reference)
    return np.unique(hit).size / np.shape(reference)[0]


def subject_support(reference: np.ndarray, subjects: np.ndarray, synthetic: np.ndarray) -> float:
    """As `support_fraction`, counting the subjects of the retrieved rows; `subjects` [n] names each reference row's."""
    hit, _ = nearest(synthetic, reference)
    names = np.asarray(subjects).astype(str)
    return np.unique(names[hit]).size / np.unique(names).size
