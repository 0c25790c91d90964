"""Support in subjects: of how many people the synthetic set retrieves an image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...core.config import Config
from ..metric import FeatureSets, Figure, Need
from ..neighbours import nearest


def subject_support(reference: np.ndarray, subjects: np.ndarray, synthetic: np.ndarray) -> float:
    """Subjects of the nearest reference rows of the synthetic rows, as a share of all subjects.

    `subjects` [n] names the subject of every reference row.
    """
    hit, _ = nearest(synthetic, reference)
    names = np.asarray(subjects).astype(str)
    return np.unique(names[hit]).size / np.unique(names).size


class SubjectSupportMetric:
    """How many subjects of each real set are retrieved."""

    config = Config
    keys = ("support_subjects_train", "support_subjects_test", "n_subjects_train", "n_subjects_test")
    needs: tuple[Need, ...] = ("subjects",)

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """Share of retrieved subjects and number of subjects, of each real set whose subjects are known."""
        figures: dict[str, Figure] = {}
        for name, rows, subjects in sets.real:
            if subjects is not None:
                figures[f"support_subjects_{name}"] = subject_support(rows, subjects, sets.synthetic)
                figures[f"n_subjects_{name}"] = int(np.unique(np.asarray(subjects).astype(str)).size)
        return figures


METRIC = SubjectSupportMetric()
