"""Arms: classifiers that learn from one set of images, each with its own seed, and what they say of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.seeds import derive_seed
from .calibration import fit_temperature, tempered
from .config import UtilityConfig

if TYPE_CHECKING:
    import torch

Trainer = Callable[..., tuple[Any, Any]]
"""Signature of `training.train_recipient`."""
Labelled = tuple[np.ndarray, np.ndarray]
"""Images uint8 [n, C, H, W] and their multi-hot targets float32 [n, K]."""


def hold_out(
    targets: np.ndarray, share: float, rng: np.random.Generator, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(kept rows, held-out rows) int64, ascending: of every label combination `share`, at least one where it has two.

    With `groups` [n] whole groups are held out, each by the labels of its first row; without, every row is one.
    """
    flags = np.asarray(targets) > 0.5
    names = np.arange(len(flags)) if groups is None else np.asarray(groups).astype(str)
    _, first, group = np.unique(names, return_index=True, return_inverse=True)
    _, combination = np.unique(flags[first], axis=0, return_inverse=True)
    combination = combination.reshape(-1)
    held: list[int] = []
    for value in range(int(combination.max()) + 1):
        members = rng.permutation(np.flatnonzero(combination == value))
        held += [int(member) for member in members[: max(round(share * len(members)), int(len(members) > 1))]]
    chosen = np.isin(group.reshape(-1), held)
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def train_arm(
    name: str,
    own: Labelled,
    held_out: Labelled,
    test: np.ndarray,
    config: UtilityConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoints: Path,
    train: Trainer,
) -> list[np.ndarray]:
    """Probabilities float32 [n, K] on the test images of `repeats` classifiers trained on `own`.

    The best weights and the temperature of each are chosen on `held_out`.
    """
    exclusive = bool(np.isclose(np.asarray(own[1]).sum(axis=1), 1).all())
    members = []
    for repeat in range(config.repeats):
        model, _ = train(
            *own,
            config,
            seed=derive_seed(seed, "utility", name, repeat),
            device=device,
            checkpoint=checkpoints / f"{name}-{repeat}.safetensors",
            held_out=held_out,
        )
        temperature = fit_temperature(model.probabilities(held_out[0]), held_out[1], exclusive)
        members.append(tempered(model.probabilities(test), temperature, exclusive))
    return members


def default_trainer() -> Trainer:
    """The recipient's training; PyTorch is imported here."""
    from .training import train_recipient

    return train_recipient
