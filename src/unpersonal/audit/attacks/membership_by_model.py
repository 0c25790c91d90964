"""Membership by the model's own errors: does the denoiser know train subjects better than it knows control subjects?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.config import Config
from ..attack import AttackNeeds, SubjectScores
from ..background import Background
from ..model import ModelAccess, model_of
from ..model_scores import per_subject, standard
from ..target import Target


@dataclass(frozen=True)
class FittedModel:
    """The attack with what strangers cost the model: mean and deviation of log errors at each level, float64 [s]."""

    access: ModelAccess
    mean: np.ndarray
    deviation: np.ndarray

    def run(self, target: Target) -> tuple[SubjectScores, ...]:
        """Loss: the mean over noise levels of how much less than strangers a subject costs (Carlini et al., USENIX
        2023, section 5.1). Gain: how much less it costs with a condition than without any."""
        errors = np.log(self.access.errors(target.images))
        without = np.log(self.access.unconditional_errors(target.images))
        loss = -standard(errors, self.mean, self.deviation).mean(axis=1)
        return (
            SubjectScores(per_subject(loss, target.subjects), name="loss"),
            SubjectScores(per_subject((without - errors).mean(axis=1), target.subjects), name="gain"),
        )


class ModelAttack:
    """Errors of the denoiser at several noise levels, and conditional minus unconditional ones."""

    config = Config
    needs = AttackNeeds(cost="high", model=True)

    def fit(self, background: Background, options: Config) -> FittedModel:
        """Measure what strangers cost the model."""
        access = model_of(background)
        errors = np.log(access.errors(background.network.images))
        return FittedModel(access, errors.mean(axis=0), np.maximum(errors.std(axis=0), 1e-6))


ATTACK = ModelAttack()
