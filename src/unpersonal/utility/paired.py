"""Paired comparison of two sets of classifiers on the same real test subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..metrics.figures import LabelNoiseFigures
from ..metrics.intervals import percentile_interval
from ..metrics.roc import auroc, macro_auroc
from .calibration import calibration_error
from .figures import ClassFigures, Interval
from .resampling import resampled_aurocs
from .seeds import Seeds

SMALL_STRATUM = 20
"""Subjects with a label below this number make that class's figure uncertain; the table says so."""


@dataclass(frozen=True)
class Comparison:
    """AUROC of both arms and their gap real − synthetic, with two-sided 95 % intervals, and the one-sided bound.

    An arm that could not be measured is None; then `gap_upper` is 1, so that no policy can accept it, and `note` says
    why.
    """

    auroc_real: float | None
    auroc_real_interval: Interval | None
    auroc_synthetic: float | None
    auroc_synthetic_interval: Interval | None
    gap: float | None
    gap_upper: float
    classes: dict[str, ClassFigures] = field(default_factory=dict)
    worst_class: str | None = None
    repeat_spread_real: float | None = None
    repeat_spread_synthetic: float | None = None
    replicates: int = 0
    note: str = ""
    gap_interval: Interval | None = None
    label_noise: LabelNoiseFigures | None = None
    calibration_error_real: float | None = None
    calibration_error_synthetic: float | None = None


def mean_macro_auroc(members: Sequence[np.ndarray], targets: np.ndarray) -> float:
    """Mean over classifiers of their macro AUROC; `members` each [n,C], `targets` [n,C].

    The mean of AUROCs and not the AUROC of the mean: it is what a recipient who trains once may expect, while an
    ensemble would hide part of the loss.
    """
    return float(np.mean([macro_auroc(member, targets) for member in members]))


def mean_calibration_error(members: Sequence[np.ndarray], targets: np.ndarray) -> float:
    """Mean over classifiers of their `calibration_error`; `members` each [n,C], `targets` [n,C]."""
    return float(np.mean([calibration_error(member, targets) for member in members]))


def class_table(
    real: Sequence[np.ndarray],
    synthetic: Sequence[np.ndarray],
    targets: np.ndarray,
    subjects: np.ndarray,
    classes: Sequence[str],
) -> dict[str, ClassFigures]:
    """Per class: AUROC of both arms (mean over classifiers), gap, positive test images and subjects.

    A class without both outcomes in the test images is left out, as it is in the macro mean.
    """
    table: dict[str, ClassFigures] = {}
    for column, name in enumerate(classes):
        positive = targets[:, column] > 0.5
        if positive.all() or not positive.any():
            continue
        arms = [
            float(np.mean([auroc(member[:, column], positive) for member in arm])) if len(arm) else None
            for arm in (real, synthetic)
        ]
        count = len(set(subjects[positive]))
        table[name] = ClassFigures(
            auroc_real=arms[0],
            auroc_synthetic=arms[1],
            gap=None if arms[0] is None or arms[1] is None else arms[0] - arms[1],
            images=int(positive.sum()),
            subjects=count,
            uncertain=count < SMALL_STRATUM,
        )
    return table


def _worst(table: dict[str, ClassFigures]) -> str | None:
    measured = {name: row.gap for name, row in table.items() if row.gap is not None}
    return max(measured, key=measured.__getitem__) if measured else None


def compare(
    real: Sequence[np.ndarray],
    synthetic: Sequence[np.ndarray],
    targets: np.ndarray,
    subjects: np.ndarray,
    classes: Sequence[str],
    *,
    replicates: int,
    rng: np.random.Generator,
) -> Comparison:
    """Compare two arms of classifiers by their probabilities float32 [n,C] on the same n real test images.

    `targets` [n,C] multi-hot, `subjects` [n]. Bootstrap over subjects (`resampled_aurocs`), paired: both arms see the
    same drawn subjects. To the deviation of each end the training seeds add theirs, see `Seeds`: the figure of an arm
    is what a classifier of another seed may be expected to reach on other people. Which people it learnt from is given.
    Where no class has both outcomes among the test images, or in a tenth of the bootstrap samples, the gap is not known
    and counts as 1; so does a resample without outcomes (for the lower end of the interval as -1), and the bound where
    the real arm's interval reaches down to chance.
    """
    table = class_table(real, synthetic, targets, subjects, classes)
    if not table:
        return unmeasured("no class has both outcomes among the real test images")

    pairs = resampled_aurocs((real, synthetic), targets, subjects, replicates=replicates, rng=rng).T
    gaps = pairs[:, 0] - pairs[:, 1]
    known = np.isfinite(gaps)
    if known.mean() < 0.9:
        return unmeasured("too few test subjects: most resamples of them lack an outcome")
    values = pairs[known]
    auroc_real, auroc_synthetic = mean_macro_auroc(real, targets), mean_macro_auroc(synthetic, targets)
    gap = auroc_real - auroc_synthetic
    arms = [Seeds.of([macro_auroc(member, targets) for member in arm]) for arm in (real, synthetic)]
    both = Seeds.of_difference(*arms)
    interval = arms[0].widened(percentile_interval(values[:, 0]), auroc_real)
    # a real arm that has learnt nothing would make any release look as good as the real images
    blind = not interval[0] > 0.5
    return Comparison(
        auroc_real=auroc_real,
        auroc_real_interval=interval,
        auroc_synthetic=auroc_synthetic,
        auroc_synthetic_interval=arms[1].widened(percentile_interval(values[:, 1]), auroc_synthetic),
        gap=gap,
        gap_upper=1.0
        if blind
        else min(both.above(float(np.quantile(np.where(known, gaps, 1.0), 0.95)), gap, 0.95), 1.0),
        note="the classifier trained on real images is not better than chance, so the gap says nothing"
        if blind
        else "",
        classes=table,
        worst_class=_worst(table),
        repeat_spread_real=arms[0].spread,
        repeat_spread_synthetic=arms[1].spread,
        replicates=replicates,
        gap_interval=None if blind else both.widened(_interval(gaps), gap),
        calibration_error_real=mean_calibration_error(real, targets),
        calibration_error_synthetic=mean_calibration_error(synthetic, targets),
    )


def _interval(gaps: np.ndarray) -> Interval:
    """Two-sided 95 % interval of bootstrap `gaps`; one that is not known lies outside of it on either side."""
    lower, upper = (np.where(np.isfinite(gaps), gaps, unknown) for unknown in (-1.0, 1.0))
    return percentile_interval(lower)[0], percentile_interval(upper)[1]


def ceiling_figures(ceiling: Comparison) -> dict[str, Any]:
    """The `ceiling_*` figures of `UtilityFigures`, out of a comparison of the real arm with the arm of the codec.

    `ceiling_note` says why they say nothing, where they do not. No rule of the policy reads any of them.
    """
    return {
        "ceiling_auroc": ceiling.auroc_synthetic,
        "ceiling_auroc_interval": ceiling.auroc_synthetic_interval,
        "ceiling_gap": ceiling.gap,
        "ceiling_gap_interval": ceiling.gap_interval,
        "ceiling_gap_upper": ceiling.gap_upper,
        "ceiling_repeat_spread": ceiling.repeat_spread_synthetic,
        "ceiling_note": ceiling.note or None,
    }


def unmeasured(note: str) -> Comparison:
    """A comparison that could not be made: no AUROC is claimed, the gap counts as 1 and the policy will refuse."""
    return Comparison(None, None, None, None, None, 1.0, note=note)
