"""`copies`: the closed-form search for copies under small shifts, turns and zooms (`metrics/copies.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...core.config import Config
from ...metrics.copies import best_match, contrast_maps
from ..base import Scores
from ..strangers import Own

if TYPE_CHECKING:
    import torch

QUERIES = 1024
"""Queries scored at once: memory is bounded by this many rows of the gallery."""


class CopiesMatcher:
    """A closed form; a gallery is its contrast maps float32 [g, 32, 32] and its subjects [g]."""

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Matcher.enrol`."""
        if len(images) == 0:
            raise ValueError("the gallery is empty")
        return contrast_maps(images), subjects

    def score(
        self, queries: np.ndarray, gallery: tuple[np.ndarray, np.ndarray], own: np.ndarray | None = None
    ) -> Scores:
        """See `Matcher.score`; a score is a correlation, 1 is the same picture up to exposure and a small shift."""
        maps, subjects = gallery
        left_out = Own.of(own, subjects)
        scores, nearest = np.empty(len(queries), np.float32), np.empty(len(queries), np.int64)
        for start in range(0, len(queries), QUERIES):
            part = slice(start, start + QUERIES)
            barred = None if left_out is None else left_out.barred(part)
            found = best_match(contrast_maps(queries[part]), maps, exclude=barred)
            scores[part], nearest[part] = found.score, found.reference
        return Scores(scores, nearest)


class Copies:
    """The part; there is nothing to configure."""

    config = Config

    def fit(
        self, images: np.ndarray, subjects: np.ndarray, config: Config, *, seed: int, device: torch.device
    ) -> CopiesMatcher:
        """See `MatcherPart.fit`."""
        return CopiesMatcher()

    def save(self, matcher: CopiesMatcher) -> dict[str, torch.Tensor]:
        """See `MatcherPart.save`; nothing is learned."""
        return {}

    def load(self, state: Mapping[str, torch.Tensor], config: Config, *, device: torch.device) -> CopiesMatcher:
        """See `MatcherPart.load`."""
        return CopiesMatcher()


MATCHER = Copies()
