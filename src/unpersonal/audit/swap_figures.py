"""Figures of a swap: two games of the same people, each half of them control of the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.figures import Figures


@dataclass(frozen=True)
class SwapMembership(Figures):
    """Membership by one attack over both games: the mean of their AUROC and true-positive rates at 1 % false positives.

    `*_upper` is pointwise, `*_lower` simultaneous over the family. `auroc_upper_unpaired` is what the bound would be if
    the two games were of different people.
    """

    name: str
    auroc: float
    auroc_upper: float
    auroc_lower: float
    auroc_upper_unpaired: float
    tpr: float
    tpr_upper: float
    tpr_lower: float


@dataclass(frozen=True)
class SwapFigures(Figures):
    """Both games of a swap, and the paired figures over them.

    `people` have a score against either release. `*_released` are pictures. `second_verdict` is that of the second game
    by itself, as `first_verdict` is that of the first.
    """

    people: int
    first_people: int
    second_people: int
    first_released: int
    second_released: int
    first_verdict: Literal["pass", "inconclusive", "fail"]
    second_verdict: Literal["pass", "inconclusive", "fail"]
    membership: tuple[SwapMembership, ...]
