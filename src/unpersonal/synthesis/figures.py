"""Figures of the synthesis stage: how many images were drawn, flagged and chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.figures import Figures, absent


@dataclass(frozen=True, kw_only=True)
class SynthesisFigures(Figures):
    """Counts of sources, candidates and released images, and the share of candidates that the gate flagged.

    `match_rate_before_gate` is that of the first draws, with a two-sided 95 % interval over subjects of the sources;
    `match_rate_by_matcher` divides it by the matcher that flagged first, `match_rate_by_split` by the split of the
    subject whom that matcher named.
    """

    sources: int
    candidates: int
    released: int
    sources_without_image: int
    match_rate_before_gate: float
    match_rate_interval: tuple[float, float]
    match_rate_by_matcher: dict[str, float]
    match_rate_by_split: dict[str, float]
    match_rate_all_attempts: float
    attempts_mean: float
    released_with_predicted_labels: int | None = absent()
    soft_labels: Literal["teacher", "mean"] | None = absent()
    """Whose class probabilities the images have: those of a teacher to whom all people of the condition are strangers,
    or, where conditions are nobody's, the mean of all teachers."""
