"""What a private training needs before it begins, and what it has spent when it ended; see `private` for its steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..core.distributed import world
from ..core.errors import InputError
from .accountant import epsilon_spent, noise_multiplier
from .config import DiffusionConfig
from .figures import PrivacyFigures
from .origin_subjects import shared_train
from .private import Privacy


def budgets(config: DiffusionConfig) -> tuple[int, ...]:
    """Optimiser steps of each network that is trained; the guide `earlier` is the denoiser and costs nothing."""
    images = (config.images,) if config.guide == "earlier" else (config.images, config.guide_images)
    return tuple(-(-each // config.batch) for each in images)


def prepare_privacy(study: Path, config: DiffusionConfig, subjects: Sequence[str] | np.ndarray) -> Privacy | None:
    """How denoiser and guide are trained on train images of `subjects` [n]; None without `dp_epsilon`.

    Both take a subject with the same probability and have the same noise, so that together they spend `dp_epsilon`.
    `InputError` where the guarantee would not hold.
    """
    if not config.dp_epsilon:
        return None
    people = len(np.unique(np.asarray(subjects).astype(str)))
    _check(study, config, people)
    rate = min(1.0, config.batch / people)
    multiplier = noise_multiplier(config.dp_epsilon, config.dp_delta, rate, sum(budgets(config)))
    return Privacy(multiplier, rate, config.dp_clip, np.asarray(subjects))


def privacy_spent(privacy: Privacy, config: DiffusionConfig, steps: Iterable[int]) -> PrivacyFigures:
    """What trainings of so many `steps` have spent."""
    done = sum(steps)
    return PrivacyFigures(
        epsilon=epsilon_spent(privacy.multiplier, privacy.rate, done, config.dp_delta),
        delta=config.dp_delta,
        clip=privacy.clip,
        noise_multiplier=privacy.multiplier,
        sampling_rate=privacy.rate,
        steps=done,
    )


def _check(study: Path, config: DiffusionConfig, people: int) -> None:
    if not people:
        raise InputError("There is nobody to train on", where="cohort split")
    if config.dp_delta >= 1 / people:
        raise InputError(
            f"With δ = {config.dp_delta:g} a training of {people:,} people may give one of them away as a whole",
            where="[diffusion] dp_delta",
            how=f"use less than {1 / people:.2g}",
        )
    if world().size > 1:
        raise InputError(
            "A private training has one process", where="[diffusion] dp_epsilon", how="start it without torchrun"
        )
    if config.source and (shared := shared_train(study, study / config.source)):
        raise InputError(
            f"The model that training starts from knows people of {shared} train images, so that nothing done from here"
            " on keeps them private",
            where="[diffusion] start_from",
            how="start from phantoms or from weights of other people",
        )
