"""`start_from = "phantom"`: networks that learn on invented people before they see anybody.

What a network takes from them is how images of this kind look; there is nobody in them whom it could remember, so that
the real people are needed for less time. Legend: B images of a request, c channels and h, w cells of a latent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..codec.base import Codec
from ..codec.store import load_codec, load_images
from ..cohort.table import Cohort
from ..core.distributed import World
from ..core.errors import InputError
from ..core.hashing import hash_json, sha256_file
from ..core.pixels import to_float
from ..core.seeds import derive_seed
from ..phantom.population import MIN_SIZE, draw_subjects, render
from .config import MODALITIES, DiffusionConfig, NetworkConfig
from .models import FOLDER
from .trainer import Training, train_denoiser

KINDS = (("brain-mri", r"_(T1w|T2w|PDw|FLAIR|T1map|inplaneT1)\b"), ("head-ct", r"(^|[/_-])ct([/_.-]|$)"))
"""What names of images say of the phantom that is like them; of all others it is the chest."""


def kind_of(config: DiffusionConfig, cohort: Cohort) -> str:
    """The phantom to begin with: the one that is configured, else the one that most names of images speak for."""
    if config.phantom != "auto":
        return config.phantom
    names = cohort.table["image"].astype(str).tolist()
    for kind, pattern in KINDS:
        if 2 * sum(bool(re.search(pattern, name, re.IGNORECASE)) for name in names) > len(names):
            return kind
    return "chest"


@dataclass(frozen=True)
class InventedRows:
    """Latents float32 [N, c, h, w] of invented people, drawn when asked for: no two requests show the same person.

    The rows of one request are people of one population stream, so the same request gives the same rows. Whoever asks
    for a row twice among others meets somebody else: nobody is to be learnt by heart.
    """

    shape: tuple[int, ...]
    codec: Codec
    kind: str
    pixels: tuple[int, int]
    """Channels and side of the images."""
    seed: int
    device: torch.device

    def __getitem__(self, rows: Any) -> np.ndarray:
        numbers = np.arange(self.shape[0])[rows]
        stream = hash_json(numbers.tolist())
        people = draw_subjects(len(numbers), seed=self.seed, stream=stream, modality=MODALITIES[self.kind])
        channels, side = self.pixels
        visits = np.stack([np.arange(len(numbers)), np.ones(len(numbers), np.int64)], axis=1)
        images = np.repeat(render(people, visits, side), channels, axis=1)
        latents: np.ndarray = self.codec.encode(to_float(images).to(self.device)).cpu().numpy()
        return latents


@dataclass(frozen=True)
class Blank:
    """Conditions float32 [N, L] that say nothing: zeros, which noise of any length makes into random directions.

    Zeros alone would leave the layer of conditions untrained, and its first real one would be a disturbance that the
    network never met; under random ones it learns to take no notice.
    """

    shape: tuple[int, int]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.zeros((len(np.arange(self.shape[0])[rows]), self.shape[1]), np.float32)


def budget(config: DiffusionConfig, name: str) -> int:
    """Images of invented people that `denoiser` or `guide` sees: the guide as many fewer as of the real ones."""
    if name == "denoiser":
        return config.phantom_images
    return max(round(config.phantom_images * config.guide_images / config.images), config.batch)


def invented_weights(
    study: Path,
    name: str,
    network: NetworkConfig,
    config: DiffusionConfig,
    cohort: Cohort,
    *,
    images: int,
    seed: int,
    device: torch.device,
    processes: World,
) -> dict[str, torch.Tensor] | None:
    """The averaged weights of `network` after so many `images` of invented people; a killed run goes on.

    None in other processes than the first, whose weights they take over. `InputError` for images smaller than phantoms.
    """
    _, channels, height, _ = load_images(study).shape
    if height < MIN_SIZE:
        raise InputError(
            f"Invented people have at least {MIN_SIZE} pixels a side, the images of this study {height}",
            where="[diffusion] start_from",
            how='set it to "", or use images.size = 32',
        )
    kind, own = kind_of(config, cohort), derive_seed(seed, "invented", name)
    shape = (images, network.channels, network.resolution, network.resolution)
    rows = InventedRows(shape, load_codec(study), kind, (channels, height), own, device)
    settings = _settings(config, images)
    # the checkpoint of another codec, recipe or network must never be continued
    codec = [sha256_file(path) for path in sorted((study / "store").glob("codec.*"))]
    key = hash_json([settings.model_dump(mode="json"), own, network.model_dump(mode="json"), kind, codec])
    trained = train_denoiser(
        f"{name} on invented people",
        rows,
        Blank((images, network.label_dim)) if network.label_dim else None,
        settings,
        seed=own,
        device=device,
        checkpoint=study.joinpath(*FOLDER, f"checkpoint-invented-{name}-{key[:16]}.safetensors"),
        training=Training(world=processes),
    )
    return trained.weights or None


def _settings(config: DiffusionConfig, images: int) -> DiffusionConfig:
    """`config` of a training that nobody has to be protected from: its last average is what is wanted."""
    return config.model_copy(
        update={
            "images": images,
            "condition_noise": 1.0,
            "horizontal_flip": False,
            "evaluations": 1,
            "evaluation_images": config.batch,
            "keep_best": False,
            "patience": 0,
            "stop_memorising": False,
            "max_gap": 0.0,
            "ambient_sigma": 0.0,
            "dp_epsilon": 0.0,
            "ema_profiles": (),
            "ema_search": (),
            "start_from": "",
        }
    )
