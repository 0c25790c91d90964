"""Candidates of planned images: one condition and one seed each, batched across draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.seeds import derive_seed, numpy_rng
from ..features.blend import Blender
from .config import SynthesisConfig
from .plan import Plan


@dataclass(frozen=True)
class Candidate:
    """One image to be drawn for draw number `draw` of the plan; `seed` belongs to this candidate alone.

    `source` is a row of the cohort; `condition` a unit vector float32 [L], or None where the denoiser is unconditional.
    """

    draw: int
    source: int
    attempt: int
    candidate: int
    seed: int
    condition: np.ndarray | None


def candidate_seed(study_seed: int, draw: int, attempt: int, candidate: int) -> int:
    """The candidate's own 63-bit seed, a function of (study seed, draw, attempt, candidate) and nothing else."""
    return derive_seed(study_seed, "candidate", draw, attempt, candidate)


def plan_candidates(
    draws: Sequence[int],
    plan: Plan,
    position: Mapping[int, int],
    attempt: int,
    blender: Blender,
    config: SynthesisConfig,
    seed: int,
) -> list[Candidate]:
    """The candidates of one attempt at `draws`; `position` maps a cohort row to its row in the blender.

    All candidates of a draw are blended of the same people, with weights and noise of their own.
    """
    planned = []
    for draw in draws:
        rows = [position[int(row)] for row in (plan.sources[draw], *plan.partners[draw])]
        for number in range(config.candidates):
            own = candidate_seed(seed, draw, attempt, number)
            condition = blender.blend(rows, numpy_rng(own, "condition"))
            planned.append(Candidate(int(draw), int(plan.sources[draw]), attempt, number, own, condition))
    return planned


ImageSampler = Callable[[list[int], np.ndarray | None, float], np.ndarray]
"""(seeds, conditions float32 [B,L] or None, guidance) to images uint8 [B,C,H,W]."""


def draw_images(candidates: list[Candidate], sampler: ImageSampler, guidance: float, batch: int) -> np.ndarray:
    """uint8 [len(candidates),C,H,W], in batches of fixed grouping, so that a repeated run gives the same bytes."""
    drawn = []
    for start in range(0, len(candidates), batch):
        together = candidates[start : start + batch]
        given = [each.condition for each in together if each.condition is not None]
        drawn.append(sampler([each.seed for each in together], np.stack(given) if given else None, guidance))
    return np.concatenate(drawn)
