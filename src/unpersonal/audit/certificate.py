"""The check of predicate weights on control subjects, who fitted nothing; which weights strangers could count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .background import PRIMARY, Background
from .distances import group, subject_distances
from .family import FittedEntry
from .figures import FamilyWeight, Weights
from .predicates import CertifiedFamilies
from .target import Target
from .weights import calibration

MODEL = "power-law tail, Hill dimension pooled over predicates, upper confidence bounds"
RESOLVABLE = (1 / 20, 1 / 50, 1 / 200, 1 / 1000)
"""Weights that control subjects are many enough to check, beside the primary one."""


def family_weights(fitted: Sequence[FittedEntry]) -> tuple[FamilyWeight, ...]:
    """Weight of every family that strangers certified by counting, and whether they could."""
    return tuple(
        FamilyWeight(f"{entry.name} {family.name}".strip(), family.threshold.weight, family.threshold.resolvable)
        for entry in fitted
        if isinstance(entry.attack, CertifiedFamilies)
        for family in entry.attack.families
    )


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
