"""A small training: its configuration, data of noise, and an array that is gone as if the process had been killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.trainer import train_denoiser

CPU = torch.device("cpu")
CONFIG = DiffusionConfig(
    model_channels=8,
    guide_channels=4,
    channel_mult=(1,),
    attn_resolutions=(4,),
    channels_per_head=8,
    images=600,
    guide_images=300,
    batch=8,
    rampup_images=80,
    evaluation_images=16,
    evaluations=3,
    dropout=0.1,
)


def data(count: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Latents float32 [count, 2, 4, 4] and unit conditions float32 [count, 6]."""
    rng = np.random.default_rng(seed)
    conditions = rng.normal(size=(count, 6)).astype(np.float32)
    conditions /= np.linalg.norm(conditions, axis=1, keepdims=True)
    return 0.5 * rng.normal(size=(count, 2, 4, 4)).astype(np.float32), conditions


class Breaking:
    """An array that is gone after `reads` reads, as if the process had been killed."""

    def __init__(self, array: np.ndarray, reads: int) -> None:
        self._array, self._left = array, reads
        self.shape = array.shape

    def __getitem__(self, rows: Any) -> np.ndarray:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._array[rows]


def train(checkpoint: Path, latents: Any = None, config: DiffusionConfig = CONFIG, **options: Any) -> tuple[Any, Any]:
    """Weights and history of a denoiser that is trained on `data()`, or on other latents."""
    x, c = data()
    options = {"seed": 1, "held_out": data(12, seed=5), "save_every": 25, **options}
    trained = train_denoiser(
        "denoiser", x if latents is None else latents, c, config, device=CPU, checkpoint=checkpoint, **options
    )
    return trained.weights, trained.history
