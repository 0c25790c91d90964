"""The study's generator as one function from seeds and conditions to images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..codec.store import load_codec
from ..features.store import check_conditions
from .config import SynthesisConfig
from .draw import ImageSampler

if TYPE_CHECKING:
    import torch


def make_sampler(study: Path, config: SynthesisConfig, device: torch.device, suffix: str = "") -> ImageSampler:
    """The study's denoiser, guide and codec as one function from seeds and conditions to 8-bit images.

    With shards `suffix` names the networks ("-0" or "-1").
    """
    import torch

    from ..codec.store import load_latents
    from ..core.pixels import to_uint8
    from ..diffusion.models import load_models
    from ..diffusion.noise import keyed_noise
    from ..diffusion.sampling import sample

    denoiser, guide = load_models(study, device, suffix)
    codec, shape = load_codec(study), load_latents(study).shape[1:]
    solver_config = config.solver_config()

    def sampler(seeds: list[int], conditions: np.ndarray | None, guidance: float) -> np.ndarray:
        check_conditions(conditions, denoiser.config.label_dim)
        with torch.no_grad():
            latents = sample(
                denoiser,
                keyed_noise(seeds, shape).to(device),
                None if conditions is None else torch.from_numpy(conditions).to(device),
                guide=guide,
                guidance=guidance,
                # a guide that was trained with conditions is a lesser self of the denoiser: autoguidance
                labels_to_guide=guide.config.label_dim > 0,
                interval=config.guidance_interval,
                solver=config.solver,
                solver_config=solver_config,
                steps=config.steps,
                sigma_min=config.sigma_min,
                sigma_max=config.sigma_max,
                rho=config.rho,
            )
            return to_uint8(codec.decode(latents))

    return sampler
