"""Figures of the audit stage: aggregates only, which say when they cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.figures import Figures, absent
from .canary_figures import CanaryFigures
from .chain import AttemptFigures
from .copied_figures import Copied, Detectable
from .formal import FormalFigures
from .resolution import Reading
from .rows import InferenceRow, IsolationRow, MembershipRow, PrimaryRow, RocFigures, Sham
from .stratum_rows import StratumRow
from .swap_figures import SwapFigures

Verdict = Literal["pass", "inconclusive", "fail"]
"""From the best to the worst."""


@dataclass(frozen=True)
class AttackTest(Figures):
    """A single statistic: its value, one-sided permutation p-value, Holm-adjusted p-value."""

    name: str
    statistic: float
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class CalibrationRow(Figures):
    """Mean weight over predicates observed on fresh subjects at one nominal weight, two-sided 95 % bounds."""

    nominal: float
    observed: float
    lower: float
    upper: float
    resolvable: bool

    @property
    def holds(self) -> bool:
        """Whether the nominal weight is not exceeded beyond what chance allows."""
        return self.lower <= self.nominal


@dataclass(frozen=True)
class Weights(Figures):
    """How the predicate weights came about and how far they were checked.

    `certified` says that at every weight where at least 5 hits were expected the observed mean weight on control
    subjects did not exceed the nominal one beyond chance; `primary_upper` is the upper 97.5 % bound of the mean
    weight at the primary radius, which is what the claim should be read with where it is above `weight`.
    """

    model: str
    weight: float
    lid: float
    lid_lower: float
    auxiliary_subjects: int
    neighbours: int
    calibration: tuple[CalibrationRow, ...]
    certified: bool
    primary_observed: float
    primary_upper: float


@dataclass(frozen=True)
class FamilyWeight(Figures):
    """The mean weight of a family of predicates with one threshold; `resolvable` where strangers were enough to count
    it, else the threshold was extrapolated from weights that they could count.
    """

    family: str
    weight: float
    resolvable: bool


@dataclass(frozen=True)
class Placebo(Figures):
    """Predicates around auxiliary images, which no leak of the release can reach. p-values are two-sided."""

    predicates: int
    isolation_difference: float
    isolation_p: float
    distance_auroc: float
    distance_p: float
    difference: bool


@dataclass(frozen=True)
class PlantedRow(Figures):
    """A kind of copy: how many were planted and the share that isolated exactly their own subject."""

    kind: str
    copies: int
    power: float


@dataclass(frozen=True)
class KindRow(Figures):
    """A kind of copy at a strength, as `matching.kinds.Kind.named` calls it: the share of planted copies that some
    matcher of the audit named after their own subject, and its one-sided 95 % lower bound.
    """

    kind: str
    copies: int
    seen: float
    seen_lower: float


@dataclass(frozen=True)
class Planted(Figures):
    """Power of the audit on perturbed copies of train images, with its one-sided 97.5 % lower bound."""

    copies: int
    power: float
    power_lower: float
    kinds: tuple[PlantedRow, ...]


@dataclass(frozen=True)
class Tails(Figures):
    """Worst-subject tails: predicates that isolate one and the same subject, on train and on control.

    `*_at_least` maps a number of predicates to the number of subjects isolated by at least so many (`<5` if fewer than
    five people); `*_top5` is the mean over the five subjects isolated most often.
    """

    train_at_least: dict[str, int | str]
    control_at_least: dict[str, int | str]
    train_top5: float
    control_top5: float


@dataclass(frozen=True, kw_only=True)
class ControlFigures(Figures):
    """How control came about.

    `at_random`: whether chance decided who trains and who is control. `joined` people share a picture with another
    and were dealt as one; `excluded` people share one with a train person and are no control. `held_out_p`: whether
    people of val are as near to the release as those of test; None where one of them is no control.
    """

    at_random: Literal["known", "assumed", "no"]
    joined: int | str
    excluded: int | str
    untold: bool
    """Whether people are too alike to tell who shares a picture."""
    held_out_p: float | None


@dataclass(frozen=True, kw_only=True)
class ReviewFigures(Figures):
    """How many selected images a person removed before they were audited (`<5` under five, none included)."""

    removed: int | str


@dataclass(frozen=True, kw_only=True)
class LabelledFigures(Figures):
    """The game of train subjects with given labels; their number is left out where the rest could be told from it."""

    verdict: Verdict
    advantage: float
    advantage_upper: float
    weight: float
    train_subjects: int | None = absent()


@dataclass(frozen=True, kw_only=True)
class UnlabelledFigures(Figures):
    """The game of train subjects whom nobody labelled; of too few (`<5` under five) it is not played."""

    verdict: Verdict
    train_subjects: int | str
    advantage: float | None = absent()
    advantage_upper: float | None = absent()
    weight: float | None = absent()
    placebo: Placebo | None = absent()
    planted: Planted | None = absent()
    kinds: tuple[KindRow, ...] | None = absent()
    weights: Weights | None = absent()
    control_subjects: int | None = absent()
    tests: tuple[AttackTest, ...] | None = absent()
    primary: tuple[PrimaryRow, ...] | None = absent()
    membership: tuple[MembershipRow, ...] | None = absent()
    isolation: tuple[IsolationRow, ...] | None = absent()
    sham: Sham | None = absent()
    copied: Copied | None = absent()
    detectable: Detectable | None = absent()


@dataclass(frozen=True, kw_only=True)
class AuditFigures(Figures):
    """The verdict, and the primary figures that it is made of.

    `advantage` is the share of train people isolated at least once by the primary predicates, minus that of control
    people; None where it could not be measured. `advantage_upper` is the upper bound of the share of train people
    isolated at least once by the family that isolates most; it is of train people alone, so that it is never under
    their share, and 1 where nothing was measured; `policy_upper` is its margin. Where too few subjects were there to
    play, only verdict, reasons and bound are told. `labelled` and `unlabelled` are there where nobody labelled some
    subjects.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    advantage: float | None
    advantage_upper: float
    policy_upper: float
    profile: str
    tests: tuple[AttackTest, ...]
    primary: tuple[PrimaryRow, ...] | None = absent()
    membership: tuple[MembershipRow, ...] | None = absent()
    isolation: tuple[IsolationRow, ...] | None = absent()
    inference: tuple[InferenceRow, ...] | None = absent()
    roc: RocFigures | None = absent()
    """Of the strongest attack on membership."""
    claim: str | None = absent()
    isolation_train: float | None = absent()
    isolation_control: float | None = absent()
    base_rate: float | None = absent()
    weight: float | None = absent()
    side: int | None = absent()
    train_subjects: int | None = absent()
    control_subjects: int | None = absent()
    blocks: int | None = absent()
    released: int | None = absent()
    permutations: int | None = absent()
    alpha: float | None = absent()
    confidence: float | None = absent()
    weights: Weights | None = absent()
    families: tuple[FamilyWeight, ...] | None = absent()
    """Of the predicates whose weight was counted on strangers, family by family."""
    placebo: Placebo | None = absent()
    sham: Sham | None = absent()
    planted: Planted | None = absent()
    kinds: tuple[KindRow, ...] | None = absent()
    """Of what kinds of copies of people the matchers would see which share."""
    blind: tuple[str, ...] | None = absent()
    """The kinds of `kinds` of which single copies may be overlooked: lower bound below `matching.kinds.LEAST_RECALL`.

    Not those to which the audit is blind, of which it would notice no number of copies: `detectable.blind`.
    """
    tails: Tails | None = absent()
    spaces: dict[str, int] | None = absent()
    canaries: CanaryFigures | None = absent()
    """Lower bound on the epsilon of the training that had canaries."""
    formal: FormalFigures | None = absent()
    """What a differentially private generator proves."""
    probabilities: bool | None = absent()
    """Whether the attacker had class probabilities of the released images."""
    strata: tuple[StratumRow, ...] | None = absent()
    """The worst case: people farthest from everybody, and those of every rare label."""
    labelled: LabelledFigures | None = absent()
    unlabelled: UnlabelledFigures | None = absent()
    reading: Reading | None = absent()
    """What was read, and in what form it was compared."""
    swap: SwapFigures | None = absent()
    """Both games, where two generators were audited as one procedure."""
    control: ControlFigures | None = absent()
    attempts: AttemptFigures | None = absent()
    copied: Copied | None = absent()
    """Copied people, found one by one."""
    detectable: Detectable | None = absent()
    """The least leak of every kind that would have been found."""
    review: ReviewFigures | None = absent()
    """Where a person removed images."""


@dataclass(frozen=True)
class Isolated(Figures):
    """A train subject, by a row of the cohort, and the number of predicates that isolate it."""

    train: int
    predicates: int


@dataclass(frozen=True)
class NearPair(Figures):
    """A train image and the selected image nearest to it, by their rows; the distance is relative."""

    train: int
    synthetic: int
    distance: float


@dataclass(frozen=True)
class CopiedPair(Figures):
    """A selected image that was found to copy a person, and an image of that person, by their rows; who found it."""

    train: int
    synthetic: int
    matcher: str


@dataclass(frozen=True)
class Exposed(Figures):
    """A train subject, by a row of the cohort, and how much all attacks together say of it (`exposure.exposed_of`)."""

    train: int
    exposure: float


@dataclass(frozen=True)
class Named(Figures):
    """What audit/private.json holds: rows that point at people. For private.html, and never part of `AuditFigures`."""

    worst: tuple[Isolated, ...]
    pairs: tuple[NearPair, ...]
    copied: tuple[CopiedPair, ...] | None = absent()
    exposed: tuple[Exposed, ...] | None = absent()
