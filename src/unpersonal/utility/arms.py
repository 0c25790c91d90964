"""Arms: classifiers that learn from one set of images, each with its own seed, and what they say of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.progress import progress_bar
from ..core.seeds import derive_seed
from ..core.spread import spread
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
    """Probabilities float32 [n, K] on the test images of `repeats` classifiers trained on `own`, side by side.

    The best weights and the temperature of each are chosen on `held_out`.
    """
    arm = _Arm(name, own, held_out, test, config, seed, device, checkpoints, train)
    with progress_bar(f"classifiers ({name})", config.repeats) as bar:
        # a task elsewhere has no accelerator of ours
        return spread(_member, arm, range(config.repeats), worth=device.type == "cpu", done=bar.advance)


@dataclass(frozen=True)
class _Arm:
    """What all members of an arm have in common, see `train_arm`."""

    name: str
    own: Labelled
    held_out: Labelled
    test: np.ndarray
    config: UtilityConfig
    seed: int
    device: torch.device
    checkpoints: Path
    train: Trainer


def _member(arm: _Arm, repeat: int) -> np.ndarray:
    """What one classifier says of the test images."""
    exclusive = bool(np.isclose(np.asarray(arm.own[1]).sum(axis=1), 1).all())
    model, _ = arm.train(
        *arm.own,
        arm.config,
        seed=derive_seed(arm.seed, "utility", arm.name, repeat),
        device=arm.device,
        checkpoint=arm.checkpoints / f"{arm.name}-{repeat}.safetensors",
        held_out=arm.held_out,
    )
    temperature = fit_temperature(model.probabilities(arm.held_out[0]), arm.held_out[1], exclusive)
    return tempered(model.probabilities(arm.test), temperature, exclusive)


def default_trainer() -> Trainer:
    """The recipient's training; PyTorch is imported here."""
    from .training import train_recipient

    return train_recipient
