"""The condition `label`: a code of the image's labels."""

from __future__ import annotations

import numpy as np

from ...cohort.table import Cohort
from ...core.config import Config
from ..base import ConditionInputs, ConditionPart, Made
from ..pca import unit_rows


class LabelPart(ConditionPart):
    """The condition `label`, which has no keys."""

    config = Config
    noisy = False
    summary = "a code of the labels"
    noun = "labels"

    def length(self, config: Config, cohort: Cohort | None, assumed: list[str]) -> int:
        """Up to C + 2 columns for C classes, see `label_codes`."""
        if cohort is None:
            assumed.append("label codes of 3 columns, as of one class: the cohort is not read yet")
            return 3
        return int(label_codes(cohort.targets, cohort.labelled).shape[1])

    def make(self, config: Config, inputs: ConditionInputs) -> Made:
        """See `label_codes`."""
        return Made(label_codes(inputs.cohort.targets, inputs.cohort.labelled), from_labels=True)


def label_codes(targets: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Unit rows float32 [n,C], [n,C+1] or [n,C+2] of multi-hot `targets` [n,C]; `labelled` bool [n].

    A column is added for images that are labelled and have no label ("no finding") where there are any, and one for
    images that nobody labelled, where there are any.
    """
    labelled = np.asarray(labelled, dtype=bool)
    none = labelled & (targets.sum(axis=1) == 0)
    columns = [np.where(labelled[:, None], targets, 0)]
    columns += [which[:, None] for which in (none, ~labelled) if which.any()]
    return unit_rows(np.concatenate(columns, axis=1, dtype=np.float32))


CONDITION = LabelPart()
