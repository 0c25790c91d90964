"""Rows of the audit's figures, one for each attack or primary figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.figures import Figures, absent

Outcome = Literal["within", "undecided", "above"]
"""Of a primary figure: its upper bound keeps the margin, or does not, or its lower bound exceeds it."""


@dataclass(frozen=True)
class MembershipRow(Figures):
    """One attack on membership. `*_upper` are pointwise, `*_lower` hold for all attacks together; `p` is the max-T
    adjusted p-value of the two figures (Westfall & Young 1993).

    `auroc` and its bounds are of two sides who are alike in what `foretold.covariates_of` knows of them; that which was
    seen is `auroc_observed`, which the bounds always hold, and `explained` the share of the variance of its ranks that
    was foretold.
    """

    name: str
    auroc: float
    auroc_lower: float
    auroc_upper: float
    tpr: float
    tpr_lower: float
    tpr_upper: float
    p: float
    auroc_observed: float | None = absent()
    explained: float | None = absent()


@dataclass(frozen=True)
class TopRow(Figures):
    """The `predicates` that the attacker trusts most: the share that isolates a train person, or a control person."""

    predicates: int
    success: float
    success_lower: float
    success_upper: float
    success_control: float


@dataclass(frozen=True)
class IsolationRow(Figures):
    """A family of predicates. `isolated` = share of train people isolated at least once, within blocks of the control's
    size; its upper bound is that of train people alone, so that no control person who is isolated improves it.
    `excess_lower` = lower bound of what exceeds control.
    """

    name: str
    weight: float
    predicates: int
    isolated: float
    isolated_upper: float
    isolated_control: float
    excess_lower: float
    top: tuple[TopRow, ...]


@dataclass(frozen=True)
class InferenceRow(Figures):
    """One attack. `above` = mean share of right guesses, train minus control; its upper bound is pointwise, its lower
    bound holds for all attacks together (Bonferroni).
    """

    name: str
    right_train: float
    right_control: float
    above: float
    above_lower: float
    above_upper: float


@dataclass(frozen=True)
class PrimaryRow(Figures):
    """A primary figure of the attack with the largest upper bound.

    `lower` is the largest lower bound over all attacks, which holds for all of them together; `upper` the largest upper
    bound. `outcome`: `within` if `upper` keeps the margin, `above` if `lower` exceeds it. `needed`: train people (and
    control people in proportion) with which the same value would be within; None where no number would do.
    """

    name: str
    attack: str
    value: float
    lower: float
    upper: float
    margin: float
    outcome: Outcome
    needed: int | None


@dataclass(frozen=True)
class Sham(Figures):
    """The attacks on membership and inference that were repeated, the largest AUROC, and the smallest adjusted p."""

    images: int
    attacks: int
    auroc: float
    p: float
    difference: bool


@dataclass(frozen=True)
class RocPoint(Figures):
    """True-positive rate at a false-positive rate, with one-sided bounds, each of this point alone."""

    fpr: float
    tpr: float
    tpr_lower: float
    tpr_upper: float


@dataclass(frozen=True)
class RocFigures(Figures):
    """Points of the attack that is the primary figure of membership, in ascending order.

    A point is left out that fewer than five people lie above or below of, on either side.
    """

    attack: str
    points: tuple[RocPoint, ...]
