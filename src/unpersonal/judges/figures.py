"""Figures of the judges stage: the gate's threshold, what it misses and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.figures import Figures, absent, called


@dataclass(frozen=True, kw_only=True)
class AgreementFigures(Figures):
    """How far the flags of the re-identifier's members agree; None of a single member, or where none differs."""

    agreement: float | None
    kappa: float | None


@dataclass(frozen=True, kw_only=True)
class ConsistencyFigures(AgreementFigures):
    """The members' agreement on copies and unseen subjects together, on the latter alone, and their false flags."""

    unseen: AgreementFigures
    false_flag_rates: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class SensitivityFigures(Figures):
    """Share of generated near-duplicates that the gate flags, with its one-sided lower bound."""

    sensitivity_rate: float
    sensitivity_rate_lower: float


@dataclass(frozen=True, kw_only=True)
class RenoisedFigures(Figures):
    """Sensitivity to re-noised train images, by noise level (`sigma 0.1`); in JSON the levels stand beside `copies`."""

    copies: int
    levels: dict[str, SensitivityFigures]

    def to_json(self) -> dict[str, Any]:
        """See `Figures.to_json`."""
        whole = super().to_json()
        return {"copies": whole["copies"], **whole["levels"]}

    @classmethod
    def _read(cls, values: object, name: str) -> RenoisedFigures:
        if isinstance(values, Mapping):
            levels = {key: value for key, value in values.items() if key != "copies"}
            values = {**{key: values[key] for key in values if key == "copies"}, "levels": levels}
        return super()._read(values, name)


@dataclass(frozen=True, kw_only=True)
class ReliabilityRow(Figures):
    """One bin of predicted probabilities: where it begins, its images, their mean probability and share of hits."""

    begin: float = called("from")
    images: int
    confidence: float
    share: float


@dataclass(frozen=True, kw_only=True)
class AssessmentFigures(Figures):
    """Error of predicted labels on labelled images of held-out subjects; intervals are two-sided, 95 %."""

    held_out_images: int
    held_out_subjects: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    brier: float
    brier_interval: tuple[float, float]
    calibration_error: float
    calibration_error_interval: tuple[float, float]
    calibration_error_before_scaling: float
    temperature: float
    reliability: tuple[ReliabilityRow, ...]


@dataclass(frozen=True, kw_only=True)
class PredictedFigures(AssessmentFigures):
    """Labels that the classifier predicted for images that nobody labelled, and its error."""

    images: int
    subjects: int
    images_by_predicted_label: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class RateFigures(Figures):
    """A matcher flags a score of at least `threshold`; rates are measured on `calibration_subjects` held-out subjects.

    `miss_rate` is the share of them of whom a perturbed copy is not flagged (`miss_rate_of`: by perturbation), with a
    one-sided upper bound; `false_flag_rate` the share taken for a train subject, with a two-sided interval.
    """

    threshold: float
    miss_rate: float
    miss_rate_upper: float
    miss_rate_of: dict[str, float]
    false_flag_rate: float
    false_flag_rate_lower: float
    false_flag_rate_upper: float
    calibration_subjects: int


@dataclass(frozen=True, kw_only=True)
class GateFigures(RateFigures):
    """What the gate misses and costs, all matchers together; `threshold` and misses are those of the re-identifier.

    (With further `matchers`, by name, only fewer copies are missed; `false_flag_rate` is that of all together.)
    `visit_recall` is None where none of `visit_subjects` has a second image, `renoised` None without a diffusion model.
    `shortfall` is empty if all is met.
    """

    copy_auroc: float
    visit_recall: float | None
    visit_subjects: int
    members: int
    normalisation: str
    consistency: ConsistencyFigures
    statement: str
    shortfall: str
    renoised: RenoisedFigures | None
    classifier_auroc: float | None
    predicted_labels: PredictedFigures | None = absent()
    matchers: dict[str, RateFigures] | None = absent()
