"""Figures of the utility stage: what a classifier loses that learns from the synthetic images."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures, absent
from ..metrics.figures import LabelNoiseFigures, MetricFigures

Interval = tuple[float, float]
"""Both ends of a two-sided 95 % interval over test subjects and training seeds."""


@dataclass(frozen=True, kw_only=True)
class ClassFigures(Figures):
    """One label: AUROC of both arms, their gap, and the test images and subjects that have it."""

    auroc_real: float | None
    auroc_synthetic: float | None
    gap: float | None
    images: int
    subjects: int
    uncertain: bool


@dataclass(frozen=True, kw_only=True)
class UtilityFigures(Figures):
    """Macro AUROC of classifiers on real test subjects, trained on real and on synthetic images, and the `gap`.

    `gap_upper` is a one-sided 95 % bound, and 1 where the gap could not be measured: the other figures of both arms are
    None then, and `note` says why. `ceiling_*` are those of real images after the codec, see
    `paired.ceiling_figures`; `calibration_error_*` are means of `calibration.calibration_error`; `metrics` has a key of
    its own in summary.json.
    """

    auroc_real: float | None
    auroc_real_interval: Interval | None
    auroc_synthetic: float | None
    auroc_synthetic_interval: Interval | None
    gap: float | None
    gap_interval: Interval | None
    gap_upper: float
    classes: dict[str, ClassFigures]
    worst_class: str | None
    repeat_spread_real: float | None
    repeat_spread_synthetic: float | None
    replicates: int
    note: str
    synthetic_images: int
    train_images: int
    test_images: int
    test_subjects: int
    network: str
    repeats: int
    metrics: MetricFigures
    calibration_error_real: float | None = absent()
    calibration_error_synthetic: float | None = absent()
    ceiling_gap_upper: float | None = absent()
    ceiling_auroc: float | None = absent(unless="ceiling_gap_upper")
    ceiling_auroc_interval: Interval | None = absent(unless="ceiling_gap_upper")
    ceiling_gap: float | None = absent(unless="ceiling_gap_upper")
    ceiling_gap_interval: Interval | None = absent(unless="ceiling_gap_upper")
    ceiling_repeat_spread: float | None = absent(unless="ceiling_gap_upper")
    ceiling_note: str | None = absent()
    label_noise: LabelNoiseFigures | None = absent()
    """Estimate of how many released labels are wrong, by a classifier of the real arm."""
