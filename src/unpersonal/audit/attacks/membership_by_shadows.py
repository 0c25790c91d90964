"""Membership by shadow models: is an image easier for the model than for models of other people?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..attack import AttackNeeds, SubjectScores
from ..background import Background
from ..config import ShadowConfig
from ..model import ModelAccess, denoising_errors, model_of
from ..model_scores import per_subject
from ..shadows import train_shadows
from ..target import Target

if TYPE_CHECKING:
    from ...diffusion.network import Denoiser


@dataclass(frozen=True)
class FittedShadows:
    """The attack with its shadow models."""

    access: ModelAccess
    shadows: tuple[Denoiser, ...]

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        """Offline likelihood ratio with one variance for all images (Carlini et al., IEEE S&P 2022, section VI-D):
        mean log error of the shadow models minus that of the model."""
        latents, device = self.access.latents(target.images), self.access.device
        outside = np.mean([np.log(denoising_errors(each, latents, None, device)) for each in self.shadows], axis=0)
        ratio = (outside - np.log(self.access.errors(target.images))).mean(axis=1)
        return (SubjectScores(per_subject(ratio, target.subjects)),)


class ShadowAttack:
    """A gradient-free likelihood ratio against small shadow generators of auxiliary people."""

    config = ShadowConfig
    needs = AttackNeeds(cost="high", model=True)

    def fit(self, background: Background, options: ShadowConfig) -> FittedShadows:
        """Train the shadow models."""
        access, people = model_of(background), background.network
        shadows = train_shadows(
            access.latents(people.images),
            people.subjects,
            count=options.shadows,
            width=options.shadow_width,
            images=options.shadow_images,
            seed=background.seed,
            device=access.device,
        )
        return FittedShadows(access, shadows)


ATTACK = ShadowAttack()
