"""Figures of `evaluate`: how diverse and how lifelike synthetic images are."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures, absent


@dataclass(frozen=True, kw_only=True)
class RetrievalFigures(Figures):
    """Image retrieval score of one set: share of train images that were hit, and that would be, with an interval."""

    alpha: float
    inf: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class MetricFigures(Figures):
    """See `evaluate.evaluate`; `notes` says of a figure why it is None. Of too few images there is only `note`."""

    note: str | None = absent()
    n_train: int | None = absent()
    n_test: int | None = absent()
    n_synthetic: int | None = absent()
    irs: float | None = absent(unless="n_train")
    irs_lower: float | None = absent(unless="n_train")
    irs_upper: float | None = absent(unless="n_train")
    irs_exact: float | None = absent(unless="n_train")
    irs_synthetic: RetrievalFigures | None = absent(unless="n_train")
    irs_test: RetrievalFigures | None = absent(unless="n_train")
    fid: float | None = absent(unless="n_train")
    fid_train: float | None = absent(unless="n_train")
    fid_test: float | None = absent(unless="n_train")
    fid_real: float | None = absent(unless="n_train")
    fid_floor: float | None = absent()
    """FID of real people against other real people, at the sizes of `fid`."""
    fid_excess: float | None = absent()
    """`fid` less what finite sets alone give, with a 95 % interval over subjects; see `generative.fid_excess`."""
    fid_excess_lower: float | None = absent()
    fid_excess_upper: float | None = absent()
    kid_train: float | None = absent(unless="n_train")
    kid_test: float | None = absent(unless="n_train")
    precision: float | None = absent(unless="n_train")
    recall: float | None = absent(unless="n_train")
    density: float | None = absent(unless="n_train")
    coverage: float | None = absent(unless="n_train")
    authpct: float | None = absent(unless="n_train")
    ct: float | None = absent(unless="n_train")
    vendi_train: float | None = absent(unless="n_train")
    vendi_test: float | None = absent(unless="n_train")
    vendi_synthetic: float | None = absent(unless="n_train")
    vendi_synthetic_order2: float | None = absent(unless="n_train")
    vendi_synthetic_order_inf: float | None = absent(unless="n_train")
    support_train: float | None = absent()
    support_test: float | None = absent()
    support_subjects_train: float | None = absent()
    support_subjects_test: float | None = absent()
    n_subjects_train: int | None = absent()
    n_subjects_test: int | None = absent()
    by_metric: dict[str, dict[str, float | None] | None] | None = absent()
    """Figures of plug-ins, and of metrics that have no figure above, under the name of their metric."""
    notes: dict[str, str] | None = absent()


@dataclass(frozen=True, kw_only=True)
class LabelNoiseFigures(Figures):
    """`disputed` = share of the released labels that the classifier does not give their image; `wrong` = estimated
    share that the image does not show, with a two-sided 95 % interval; None where the classifier tells too little.

    It is noise beyond that of the given labels, under the assumption that the classifier errs on synthetic images as it
    does on real ones of the same label.
    """

    labels: int
    disputed: float
    wrong: float | None
    wrong_interval: tuple[float, float]
    wrong_by_label: dict[str, float | None]
    held_out_subjects: int
