"""Draw candidates: one condition and one seed each, batched across sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..core.seeds import derive_seed, numpy_rng
from ..features.blend import Blender
from .config import SynthesisConfig


@dataclass(frozen=True)
class Draw:
    """One candidate to be drawn. `source` is a row of the cohort; `seed` belongs to this candidate alone.

    `condition` is a unit vector float32 [L], or None where the denoiser is unconditional.
    """

    source: int
    attempt: int
    candidate: int
    seed: int
    condition: np.ndarray | None


def candidate_seed(study_seed: int, source: int, attempt: int, candidate: int) -> int:
    """The candidate's own 63-bit seed, a function of (study seed, source, attempt, candidate) and nothing else."""
    return derive_seed(study_seed, "candidate", source, attempt, candidate)


def plan_draws(
    sources: list[int], position: Mapping[int, int], attempt: int, blender: Blender, config: SynthesisConfig, seed: int
) -> list[Draw]:
    """The draws of one attempt; `position` maps a cohort row to its row in the blender.

    A source whose labels fewer than k subjects share gets no draw, hence no image, even where nothing is blended.
    """
    draws = []
    for source in sources:
        if not blender.may_draw(position[source]):
            continue
        for candidate in range(config.candidates):
            own = candidate_seed(seed, source, attempt, candidate)
            condition = blender.condition(position[source], numpy_rng(own, "condition"))
            draws.append(Draw(source, attempt, candidate, own, condition))
    return draws


ImageSampler = Callable[[list[int], np.ndarray | None, float], np.ndarray]
"""(seeds, conditions float32 [B,L] or None, guidance) to images uint8 [B,C,H,W]."""


def draw_images(draws: list[Draw], sampler: ImageSampler, guidance: float, batch: int) -> np.ndarray:
    """uint8 [len(draws),C,H,W], in batches of fixed grouping, so that a repeated run gives the same bytes."""
    drawn = []
    for start in range(0, len(draws), batch):
        together = draws[start : start + batch]
        given = [draw.condition for draw in together if draw.condition is not None]
        drawn.append(sampler([draw.seed for draw in together], np.stack(given) if given else None, guidance))
    return np.concatenate(drawn)
