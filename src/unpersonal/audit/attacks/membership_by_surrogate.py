"""Membership by surrogates: does a denoiser that learnt on the release know train subjects better?

The attacker cannot ask the generator, and trains one of the same kind on what it gave out (LOGAN's black-box setting:
Hayes et al., PoPETs 2019). The loss of a person's image under it, relative to that under one that learnt on auxiliary
people, at fixed noise (Carlini et al., USENIX Security 2023, section 5.2; reference models: Watson et al., ICLR 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ...core.config import Config
from ...core.seeds import derive_seed
from ..attack import AttackNeeds
from ..background import PRIMARY, Background
from ..membership_points import FittedPoints, PointScore, fit_points, usual_distance

if TYPE_CHECKING:
    from ..surrogate import Denoiser

STEPS = 5
"""Steps of a surrogate for each of the audit's own network: they are shorter by so much."""
SEEDS = 2
"""Surrogates trained on each side."""
LEVELS = (0.25, 0.5, 1.0)
"""Deviation of the noise, each coordinate by itself, as a share of what separates neighbours."""


class SurrogateConfig(Config):
    """How long the surrogates are trained."""

    network_steps: int = Field(default=300, ge=20)
    """Steps of the audit's own network; a surrogate takes five times as many, 64 images each."""


@dataclass(frozen=True)
class SurrogateLosses:
    """Mean logarithm, over levels and seeds, of the loss under others' surrogates over that under the release's."""

    released: tuple[Denoiser, ...]
    others: tuple[Denoiser, ...]
    levels: tuple[float, ...]
    seed: int

    def __call__(self, points: np.ndarray) -> np.ndarray:
        from ..surrogate import log_losses

        found = np.zeros(len(points))
        for release, other in zip(self.released, self.others, strict=True):
            losses = [log_losses(each, points, self.levels, self.seed) for each in (other, release)]
            found += (losses[0] - losses[1]).mean(axis=1) / len(self.released)
        return found


def fit_surrogates(released: np.ndarray, reference: np.ndarray, steps: int, seed: int) -> PointScore:
    """Surrogates of both sides, trained alike."""
    from ..surrogate import train_denoiser

    apart = float(usual_distance(reference, reference, themselves=True).mean()) / np.sqrt(reference.shape[1])
    levels, deviation = tuple(level * apart for level in LEVELS), max(float(reference.std()), 1e-6)
    sides = [
        tuple(
            train_denoiser(points, levels, deviation, steps, derive_seed(seed, name, number)) for number in range(SEEDS)
        )
        for name, points in (("released", released), ("others", reference))
    ]
    return SurrogateLosses(sides[0], sides[1], levels, seed)


class SurrogateAttack:
    """Denoisers trained on the release and on auxiliary people."""

    config = SurrogateConfig
    needs = AttackNeeds(spaces=(PRIMARY,), cost="high")

    def fit(self, background: Background, options: SurrogateConfig) -> FittedPoints:
        """Train the surrogates."""
        steps = STEPS * options.network_steps
        seed = derive_seed(background.seed, "audit", "surrogate")
        return fit_points(background, lambda *given: fit_surrogates(given[0], given[1], steps, given[2]), seed)


ATTACK = SurrogateAttack()
