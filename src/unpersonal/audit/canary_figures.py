"""Figures of canaries."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures


@dataclass(frozen=True, kw_only=True)
class CanaryFigures(Figures):
    """What the canaries say of the procedure: at least (`epsilon_lower`, `delta`), at `confidence`, one-sided.

    `guesses` and `right` are those of the share of the canaries that gave the largest bound; `auroc` is that of the
    attacker's order. A small bound proves no privacy: other attackers may guess better.
    """

    canaries: int
    guesses: int
    right: int
    auroc: float
    epsilon_lower: float
    delta: float
    confidence: float
