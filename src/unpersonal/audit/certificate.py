"""The check of predicate weights on control subjects, who fitted nothing."""

from __future__ import annotations

import numpy as np

from .background import PRIMARY, Background
from .distances import group, subject_distances
from .figures import Weights
from .target import Target
from .weights import calibration

MODEL = "power-law tail, Hill dimension pooled over predicates, upper confidence bounds"
RESOLVABLE = (1 / 20, 1 / 50, 1 / 200, 1 / 1000)
"""Weights that control subjects are many enough to check, beside the primary one."""


def certify_weights(background: Background, target: Target, weight: float) -> Weights:
    """The model of the weights and its calibration in the primary space."""
    balls = background.balls(PRIMARY)
    embedded = target.embedded(balls.space)
    subject_of_row = np.repeat(np.arange(len(embedded)), embedded.images_per_subject)
    rows = np.flatnonzero(~target.train[subject_of_row])
    to_control = subject_distances(balls.centres, group(embedded.points[rows], subject_of_row[rows]))
    checked = calibration(to_control, balls.tails, (*RESOLVABLE, weight))
    return Weights(
        model=MODEL,
        weight=weight,
        lid=balls.tails.lid,
        lid_lower=balls.tails.lid_lower,
        auxiliary_subjects=balls.tails.subjects,
        neighbours=balls.tails.neighbours,
        calibration=checked,
        certified=all(row.holds for row in checked if row.resolvable),
        primary_observed=checked[-1].observed,
        primary_upper=checked[-1].upper,
    )
