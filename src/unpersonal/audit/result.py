"""What an audit found: small typed objects, aggregates only, that say when they cannot be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .figures import AttackTest, Placebo, Planted, Tails, Weights

SMALLEST_CELL = 5


def masked(count: int) -> int | str:
    """A count of people, or `<5` where it is below five."""
    return count if count >= SMALLEST_CELL else "<5"


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
