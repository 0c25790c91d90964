"""A subset of the cohort in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..cohort.table import Cohort
from ..core.errors import InputError


@dataclass(frozen=True)
class Subset:
    """The rows of one subset of the cohort: images uint8 [n, C, H, W], subjects [n], targets float32 [n, C].

    `labelled` bool [n] says whose labels are known; the targets of the others are zero.
    """

    images: np.ndarray
    subjects: np.ndarray
    targets: np.ndarray
    labelled: np.ndarray


def take_subset(cohort: Cohort, images: np.ndarray, name: str) -> Subset:
    """The subset `name` (`train`, `val-stop`, ...) of the cohort's `images`; an empty one is an `InputError`."""
    rows = cohort.rows(name)
    if len(rows) == 0:
        raise InputError(f"No subject is in {name}", where="cohort.parquet", how="give the cohort more subjects")
    return Subset(np.array(images[rows]), cohort.subjects[rows], cohort.targets[rows], cohort.labelled[rows])
