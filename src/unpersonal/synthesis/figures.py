"""Figures of the synthesis stage: how many images were planned, drawn, flagged and chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.figures import Figures, absent


@dataclass(frozen=True)
class LabelSetFigures(Figures):
    """A label set, its labels joined by `|`: images planned and images that passed."""

    labels: str
    planned: int
    released: int


@dataclass(frozen=True, kw_only=True)
class SynthesisFigures(Figures):
    """Counts of sources, draws (planned images), candidates and released images, and what the gate flagged.

    `label_sets_left_out` have fewer than `fewest_subjects` train people, or nobody who lends a condition;
    `draws_left_out` would have been theirs, or would have shown a subject in more conditions than allowed, of which
    `largest_share` is the largest. Where every condition is the mean of at least `shared_by` train people, nobody is
    blended with others, and the shares are of images under a subject's labels. `draws_without_image` count those, too,
    whose image was left out so that no released count of a label set is one of the cohort's. `label_noise` is the scale
    of the noise in the planned label sets, 0 where the wanted shares do not come from the cohort.

    `match_rate_before_gate` is that of the first draws, with a two-sided 95 % interval over subjects of the sources;
    `match_rate_by_matcher` divides it by the matcher that flagged first, `match_rate_by_split` by the split of the
    subject whom that matcher named.
    """

    sources: int
    draws: int
    candidates: int
    released: int
    draws_without_image: int
    draws_left_out: int
    label_sets: tuple[LabelSetFigures, ...]
    label_sets_left_out: int
    fewest_subjects: int
    largest_share: float
    labels: str
    label_noise: float
    rank: str
    match_rate_before_gate: float
    match_rate_interval: tuple[float, float]
    match_rate_by_matcher: dict[str, float]
    match_rate_by_split: dict[str, float]
    match_rate_all_attempts: float
    attempts_mean: float
    shared_by: int | None = absent()
    released_with_predicted_labels: int | None = absent()
    soft_labels: Literal["teacher", "mean"] | None = absent()
    """Whose class probabilities the images have: those of a teacher to whom all people of the condition are strangers,
    or, where conditions are nobody's, the mean of all teachers."""
