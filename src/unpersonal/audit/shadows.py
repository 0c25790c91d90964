"""Shadow models: small denoisers of people who are neither train nor control (Carlini et al., IEEE S&P 2022).

The offline likelihood-ratio attack: what an image costs models that never saw it says how difficult it is; a model that
finds it easier than that has seen it. Only errors are used, no gradients.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ..core.seeds import derive_seed, numpy_rng

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..diffusion.network import Denoiser

BATCH = 32


def train_shadow(latents: Tensor, *, width: int, images: int, seed: int, device: torch.device) -> Denoiser:
    """A small unconditional denoiser of `latents` float32 [n,c,h,w], trained on `images` of them, with repetition."""
    from ..diffusion.config import DiffusionConfig
    from ..diffusion.network import build_denoiser, fold_weights
    from ..diffusion.trainer import train_denoiser

    side = latents.shape[-1]
    config = DiffusionConfig(
        model_channels=width,
        channel_mult=(1, 2) if side % 2 == 0 else (1,),
        images=images,
        guide_images=1,
        batch=BATCH,
        rampup_images=images // 10,
        evaluations=1,
        evaluation_images=BATCH,
        keep_best=False,
        monitor_samples=0,
        max_gap=0.0,
        stop_memorising=False,
        compile=False,
    )
    rows = latents.cpu().numpy()
    with TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "shadow.safetensors"
        trained = train_denoiser("shadow", rows, None, config, seed=seed, device=device, checkpoint=checkpoint)
    network = build_denoiser(config.network(tuple(latents.shape[1:]), 0), 0)
    network.load_state_dict(trained.weights)
    return fold_weights(network.to(device))


def train_shadows(
    latents: Tensor, subjects: np.ndarray, *, count: int, width: int, images: int, seed: int, device: torch.device
) -> tuple[Denoiser, ...]:
    """`count` shadows, each of a random half of the `subjects` str [n]."""
    names = np.unique(np.asarray(subjects).astype(str))
    shadows = []
    for number in range(count):
        half = numpy_rng(seed, "shadow", number).permutation(names)[: max(len(names) // 2, 1)]
        rows = np.flatnonzero(np.isin(np.asarray(subjects).astype(str), half))
        given = {"width": width, "images": images, "seed": derive_seed(seed, "shadow", number), "device": device}
        shadows.append(train_shadow(latents[rows], **given))
    return tuple(shadows)
