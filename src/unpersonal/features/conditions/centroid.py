"""The condition `centroid`: the mean of what an encoder says of at least k people with the same labels.

A code of one image names it, and is learnt by heart first. These conditions belong to nobody, in training and in
drawing alike (see `features.microaggregation`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from ...cohort.table import Cohort
from ...core.errors import InputError
from ..base import ConditionInputs, ConditionPart, Made
from ..blend import known_groups
from ..microaggregation import aggregate
from .feature import FeatureConfig, encoded


class CentroidConfig(FeatureConfig):
    """The keys of the condition `feature`, and how many people share a condition."""

    k_same: int = Field(20, ge=2, description="centroid: people whose mean a condition is, at least (k)")


class CentroidPart(ConditionPart):
    """The condition `centroid`."""

    config = CentroidConfig
    summary = "the mean of that over at least k_same people with the same labels"
    noun = "groups of people"

    def length(self, config: CentroidConfig, cohort: Cohort | None, assumed: list[str]) -> int:
        """That of a vector."""
        return config.dimensions

    def shared_by(self, config: CentroidConfig) -> int:
        """k."""
        return config.k_same

    def make(self, config: CentroidConfig, inputs: ConditionInputs) -> Made:
        """Fit the encoder as `feature` does, and give each image the centroid of its subject's group."""
        cohort, k = inputs.cohort, config.k_same
        known, train = known_groups(cohort.targets, cohort.labelled), cohort.rows("train")
        people = cohort.subjects[train].astype(str)
        if all(len(set(people[known[train] == code])) < k for code in np.unique(known[train])):
            raise InputError(
                f"No label set has {k} train subjects, so there is no condition that so many share",
                where="[features] k_same",
                how="lower it, or use another [features] condition",
            )
        made = encoded(config, inputs)
        found = aggregate(made.rows, cohort.subjects, known, train, k)
        figures: dict[str, Any] = {
            "centroids": len(found.subjects),
            "centroid_subjects_fewest": int(found.subjects.min()),
            "centroid_subjects_median": float(np.median(found.subjects)),
        }
        return Made(found.rows, figures=made.figures | figures)


CONDITION = CentroidPart()
