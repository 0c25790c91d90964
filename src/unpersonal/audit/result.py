"""What an audit found: small typed objects, aggregates only, that say when they cannot be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .weights import CalibrationRow

SMALLEST_CELL = 5


def masked(count: int) -> int | str:
    """A count of people, or `<5` where it is below five."""
    return count if count >= SMALLEST_CELL else "<5"


@dataclass(frozen=True)
class AttackTest:
    """One member of the family of tests: statistic, one-sided permutation p-value, Holm-adjusted p-value."""

    name: str
    statistic: float
    p: float
    p_adjusted: float


@dataclass(frozen=True)
class Weights:
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
class Placebo:
    """Predicates around auxiliary images, which no leak of the release can reach. p-values are two-sided."""

    predicates: int
    isolation_difference: float
    isolation_p: float
    distance_auroc: float
    distance_p: float
    difference: bool


@dataclass(frozen=True)
class PlantedRow:
    """A kind of copy: how many were planted and the share that isolated exactly their own subject."""

    kind: str
    copies: int
    power: float


@dataclass(frozen=True)
class MixtureRow:
    """A release of which `copied_share` are planted copies: its advantage and p-value.

    `detected` = the primary test alone would make it fail, whatever else is in the family; `refused` = it would not
    pass.
    """

    copied_share: float
    released: int
    advantage: float
    p: float
    detected: bool
    refused: bool


@dataclass(frozen=True)
class Planted:
    """Power of the audit on perturbed copies of train images, with its one-sided 97.5 % lower bound."""

    copies: int
    power: float
    power_lower: float
    kinds: tuple[PlantedRow, ...]
    mixtures: tuple[MixtureRow, ...]


@dataclass(frozen=True)
class Tails:
    """Worst-subject tails: predicates that isolate one and the same subject, on train and on control.

    `*_at_least` maps a number of predicates to the number of subjects isolated by at least so many (`<5` if fewer than
    five people); `*_top5` is the mean over the five subjects isolated most often.
    """

    train_at_least: Mapping[str, int | str]
    control_at_least: Mapping[str, int | str]
    train_top5: float
    control_top5: float


@dataclass(frozen=True)
class Private:
    """What names people: rows of the images as they were given. For private.html; never part of `to_dict`."""

    worst: tuple[dict[str, int], ...]
    pairs: tuple[dict[str, float], ...]


@dataclass(frozen=True)
class AuditResult:
    """Outcome of the audit. `advantage` is isolations of train subjects per released image minus those of control
    subjects scaled to equal numbers; the bound is one-sided. Distances are relative (1 = as near as strangers come).
    """

    verdict: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    claim: str
    advantage: float
    advantage_upper: float
    policy_upper: float
    isolation_train: float
    isolation_control: float
    base_rate: float
    weight: float
    side: int
    train_subjects: int
    control_subjects: int
    blocks: int
    released: int
    permutations: int
    alpha: float
    confidence: float
    tests: tuple[AttackTest, ...]
    weights: Weights
    placebo: Placebo
    planted: Planted
    tails: Tails
    spaces: Mapping[str, int]
    train_distances: np.ndarray = field(repr=False, compare=False)
    control_distances: np.ndarray = field(repr=False, compare=False)
    private: Private = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON without any person: no subject, row, path or seed, and no count of people below five."""
        hidden = ("train_distances", "control_distances", "private")
        kept = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in hidden}
        return {name: _plain(value) for name, value in kept.items()}


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
