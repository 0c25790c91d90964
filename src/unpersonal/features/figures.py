"""Figures of the features stage: what a condition is made of."""

from __future__ import annotations

from dataclasses import dataclass

from ..codec.figures import PretrainedFigures
from ..core.figures import Figures, absent


@dataclass(frozen=True, kw_only=True)
class FeatureFigures(Figures):
    """The condition and its length, and of every encoder that took part its own figures.

    `kind`, `dimensions`, `effective_dimensions` (participation ratio) and `loss` (None: a closed form) are those of the
    images' encoder; `centroids` are the groups of people that are told apart, `centroid_subjects_*` their sizes;
    `text_*`, `words` (kept), `rare_words` (dropped) and `pretrained` are those of the texts' encoder.
    """

    condition: str
    condition_length: int
    kind: str | None = absent()
    dimensions: int | None = absent()
    effective_dimensions: float | None = absent()
    loss: float | None = absent(unless="kind")
    centroids: int | None = absent()
    centroid_subjects_fewest: int | None = absent()
    centroid_subjects_median: float | None = absent()
    text_encoder: str | None = absent()
    text_from: str | None = absent()
    text_length: int | None = absent()
    words: int | None = absent()
    rare_words: int | None = absent()
    pretrained: PretrainedFigures | None = absent()
