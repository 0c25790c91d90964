"""Figures of the judges stage: the gate's threshold, what it misses and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures, absent, called

ENOUGH = 299
"""Subjects without a miss that bound the miss rate by 1 % with confidence 0.95."""


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
class TeacherFigures(Figures):
    """Cross-fitted teachers: their number, and the error of each on the train people of its own fold, all together.

    It never saw these; intervals are two-sided, 95 %, over subjects.
    """

    teachers: int
    temperatures: tuple[float, ...]
    images: int
    subjects: int
    auroc: float | None
    accuracy: float
    accuracy_interval: tuple[float, float]
    brier: float
    brier_interval: tuple[float, float]
    calibration_error: float
    calibration_error_interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class MissFigures(Figures):
    """Subjects of whom at least one promised copy is not flagged, with the one-sided upper bound of their share."""

    subjects: int
    missed: int
    miss_rate: float
    miss_rate_upper: float


@dataclass(frozen=True, kw_only=True)
class KindFigures(Figures):
    """Share of one kind of copies that the gate flags, one copy a subject, with its one-sided lower bound.

    `promised` kinds count in the miss rate; a `blind` kind has a lower bound under `matching.kinds.LEAST_RECALL`.
    """

    subjects: int
    recall: float
    recall_lower: float
    promised: bool
    blind: bool


@dataclass(frozen=True, kw_only=True)
class MatcherFigures(Figures):
    """A matcher of the gate flags scores of at least `threshold`, which a share `stranger_rate` of strangers reach."""

    threshold: float
    stranger_rate: float


@dataclass(frozen=True, kw_only=True)
class GateFigures(Figures):
    """What the gate misses and costs, all matchers together; `threshold` is that of the re-identifier.

    `miss_rate` and its bound are those of the protected (train) subjects, or of the held-out ones where these are
    enough (`ENOUGH`) and worse. `false_flag_rate` is the share of strangers that any matcher flags, each
    against a gallery without it, with thresholds that other strangers set, and a two-sided interval. `kinds` are called
    as `matching.kinds.Kind.named` says; `untried` kinds could not be made, and count as blind. `shortfall` is empty if
    all is met.
    """

    threshold: float
    miss_rate: float
    miss_rate_upper: float
    protected: MissFigures
    held_out: MissFigures
    kinds: dict[str, KindFigures]
    blind: tuple[str, ...]
    untried: tuple[str, ...]
    false_flag_rate: float
    false_flag_rate_lower: float
    false_flag_rate_upper: float
    false_flag_rate_of: dict[str, float]
    strangers: int
    gallery_images: int
    gallery_subjects: int
    matchers: dict[str, MatcherFigures]
    copy_auroc: float
    reidentifier: str
    members: int
    consistency: ConsistencyFigures
    statement: str
    shortfall: str
    classifier_auroc: float | None
    predicted_labels: PredictedFigures | None = absent()
    teachers: TeacherFigures | None = absent()
