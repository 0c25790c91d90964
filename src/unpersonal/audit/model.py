"""What an attacker has who holds the trained model beside the release: its errors on any image.

Legend: n images, c channels and h, w cells of a latent, L length of a condition, k conditions tried, s noise levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..diffusion.noise import keyed_noise

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..codec.base import Codec
    from ..diffusion.network import Denoiser
    from ..features.store import Component
    from .background import Background

SIGMAS = (0.1, 0.3, 0.6, 1.2)
"""Noise levels at which errors are looked at; latents have a standard deviation of 0.5."""
NOISES = 4
"""Draws of noise at each level, the same for every image."""
BATCH = 128
CODES = 32
"""Label codes that are tried at most, the most frequent first."""
NEAREST = 2
"""Centroids that are tried under each label code: those nearest to what the encoder says of the image."""
Conditions = Callable[[np.ndarray], np.ndarray]
"""Conditions float32 [n, k, L] that images uint8 [n,C,H,W] are tried under."""


@dataclass(frozen=True)
class ModelAccess:
    """A denoiser, the guide beside it (None: it has none), and what puts pictures before them.

    `conditions` is None where the denoiser has none. `source` is the SHA-256 of the denoiser's weights.
    """

    denoiser: Denoiser
    guide: Denoiser | None
    codec: Codec | None
    conditions: Conditions | None
    device: torch.device
    source: str = ""
    shape: tuple[int, int] | None = None
    """Channels and edge of the images that the codec takes."""

    def latents(self, images: np.ndarray) -> Tensor:
        """Latents float32 [n,c,h,w] of images uint8 [n,C,H,W], brought to the size that the model knows."""
        import torch
        from torch.nn.functional import interpolate

        with torch.no_grad():
            pixels = torch.from_numpy(np.array(images)).float() / 255.0
            config = self.denoiser.config
            channels, side = self.shape or (config.channels, config.resolution)
            if pixels.shape[1] == 1:
                pixels = pixels.expand(-1, channels, -1, -1)  # an audit of colour images compares each channel as grey
            if pixels.shape[-2:] != (side, side):
                pixels = interpolate(pixels, (side, side), mode="area")
            if self.codec is None:
                return pixels - 0.5
            blocks = [self.codec.encode(block) for block in pixels.split(BATCH)]
            return torch.cat(blocks)

    def errors(self, images: np.ndarray) -> np.ndarray:
        """Mean squared error of the denoiser at each of `SIGMAS`, float64 [n, s].

        Under the condition of those tried with which the mean of its logarithms is least: the attacker does not know
        which one the image was trained under.
        """
        latents = self.latents(images)
        if self.conditions is None:
            return denoising_errors(self.denoiser, latents, None, self.device)
        tried = self.conditions(images)
        each = np.stack(
            [denoising_errors(self.denoiser, latents, tried[:, k], self.device) for k in range(tried.shape[1])]
        )
        best = np.log(each).mean(axis=2).argmin(axis=0)
        found: np.ndarray = each[best, np.arange(len(latents))]
        return found

    def unconditional_errors(self, images: np.ndarray) -> np.ndarray:
        """The same without any condition, by the guide where there is one: float64 [n, s]."""
        network = self.guide or self.denoiser
        return denoising_errors(network, self.latents(images), None, self.device)


def denoising_errors(
    denoiser: Denoiser, latents: Tensor, conditions: np.ndarray | None, device: torch.device
) -> np.ndarray:
    """Mean squared error over the cells of each latent at each of `SIGMAS`, float64 [n, s], over fixed noises.

    The loss of arXiv 2206.00364 (equation 2) without its weight. All images meet the same noises, so that what differs
    between two of them is not chance.
    """
    import torch

    shape = tuple(latents.shape[1:])
    noises = keyed_noise([("audit-model", number) for number in range(NOISES)], shape).to(device)
    errors = torch.zeros(len(latents), len(SIGMAS), dtype=torch.float64)
    with torch.no_grad():
        for first in range(0, len(latents), BATCH):
            clean = latents[first : first + BATCH].to(device)
            labels = None
            if conditions is not None:
                labels = torch.from_numpy(np.array(conditions[first : first + BATCH], np.float32)).to(device)
            for column, sigma in enumerate(SIGMAS):
                for noise in noises:
                    denoised = denoiser(clean + sigma * noise, torch.full((len(clean),), sigma, device=device), labels)
                    squared = ((denoised - clean) ** 2).flatten(1).mean(dim=1)
                    errors[first : first + len(clean), column] += squared.double().cpu() / NOISES
    found: np.ndarray = np.maximum(errors.numpy(), 1e-12)
    return found


def model_of(background: Background) -> ModelAccess:
    """The model that the attacker of this audit has; `ValueError` where there is none."""
    if background.model is None:
        raise ValueError("this attacker has no model")
    return background.model


def load_access(path: Path, device: torch.device) -> ModelAccess:
    """The model of a study, or the `.safetensors` of a denoiser with its `.json` beside it.

    A checkpoint outside a study has no codec and no guide: its latents must be pixels, which are put before it minus
    0.5, and it is tried without a condition. What cannot be loaded is an `InputError`.
    """
    from ..codec.store import load_codec, load_images
    from ..core.hashing import sha256_file
    from ..diffusion.models import FOLDER, load_denoiser

    weights = path.joinpath(*FOLDER, "denoiser.safetensors") if path.is_dir() else path
    if path.is_dir() and not weights.is_file() and path.joinpath(*FOLDER, "denoiser-0.safetensors").is_file():
        raise InputError(
            "This study has two denoisers, of one shard of the people each, and the audit with a model takes one",
            where=str(path),
            how="give the file of one of them (models/diffusion/denoiser-0.safetensors); in a study set audit.model to "
            "false or diffusion.shards to 1",
        )
    if not weights.is_file() or weights.suffix != ".safetensors":
        raise InputError(
            "There is no trained model here",
            where=f"--model {path}",
            how="name a study whose diffusion stage has run, or the .safetensors of a denoiser",
        )
    study = weights.parent.parent.parent
    denoiser, source = load_denoiser(weights, device), sha256_file(weights)
    if weights.parent != study.joinpath(*FOLDER) or not (study / "store" / "codec.safetensors").is_file():
        return ModelAccess(denoiser, None, None, None, device, source)
    guide = load_denoiser(weights.parent / "guide.safetensors", device)
    alone = None if guide.config.label_dim else guide
    conditions = _conditions_of(study) if denoiser.config.label_dim else None
    channels, side = load_images(study).shape[1:3]
    return ModelAccess(denoiser, alone, load_codec(study), conditions, device, source, (int(channels), int(side)))


def access_for(path: Path, images: np.ndarray, device: torch.device | None = None) -> ModelAccess:
    """`load_access`, if images uint8 [n,C,H,W] can be put before the model; on the CPU where no device is named."""
    import torch

    access = load_access(path, device or torch.device("cpu"))
    check_fits(access, images)
    return access


def check_fits(access: ModelAccess, images: np.ndarray) -> None:
    """`InputError` where images uint8 [n,C,H,W] cannot be put before the model."""
    try:
        shape = tuple(access.latents(images[:1]).shape[1:])
    except (RuntimeError, ValueError):
        shape = ()
    config = access.denoiser.config
    wanted = (config.channels, config.resolution, config.resolution)
    if shape != wanted:
        raise InputError(
            f"Images of {images.shape[1:]} become latents of {shape}, and the model takes {wanted}",
            where="--model",
            how="audit images of the size and colours on which the model was trained",
        )


def _conditions_of(study: Path) -> Conditions:
    """What a study's conditions can be made of without knowing who is on an image: its features, any label code, the
    nearest of the centroids under that code.

    Other components, such as texts, are left at zero.
    """
    from ..core.tensors import load_tensors
    from ..features.registry import ENCODERS
    from ..features.store import load_components, load_conditions

    components, known = load_components(study), load_conditions(study)
    assert known is not None
    codes = _frequent(np.array(known), components)
    centroids = _centroids_under(codes, np.array(known), components)
    encoder = None
    if any(each.kind in ("feature", "centroid") for each in components):
        tensors, metadata = load_tensors(study / "features" / "encoder.safetensors")
        encoder = ENCODERS.get(str(metadata.get("kind"))).load(tensors)
    scale = np.float32(len(components) ** -0.5)

    def conditions(images: np.ndarray) -> np.ndarray:
        tried = np.repeat(codes[None], len(images), axis=0)
        for each in components:
            if each.kind == "feature" and encoder is not None:
                tried[:, :, each.columns] = scale * encoder.unit(np.array(images))[:, None]
            elif each.kind == "centroid" and encoder is not None:
                unit = encoder.unit(np.array(images))
                tried = np.concatenate([tried] * NEAREST, axis=1)
                for number, known in enumerate(centroids):
                    near = np.argsort(-(unit @ known.T), axis=1, kind="stable")
                    for rank in range(NEAREST):
                        which = near[:, min(rank, len(known) - 1)]
                        tried[:, number + rank * len(codes), each.columns] = known[which]
        return tried

    return conditions


def _centroids_under(codes: np.ndarray, conditions: np.ndarray, components: tuple[Component, ...]) -> list[np.ndarray]:
    """The distinct centroids float32 [q,d] of conditions [n,L] under each of the label `codes` [k,L]."""
    found = []
    for columns in [each.columns for each in components if each.kind == "centroid"]:
        coded = [other.columns for other in components if other.from_labels]
        for code in codes:
            same = [(conditions[:, part] == code[part]).all(axis=1) for part in coded]
            rows = np.logical_and.reduce(same) if same else np.ones(len(conditions), dtype=bool)
            found.append(np.unique(conditions[rows][:, columns], axis=0))
    return found


def _frequent(conditions: np.ndarray, components: tuple[Component, ...]) -> np.ndarray:
    """The most frequent settings of the components that hang on labels alone, the others zero: float32 [k, L]."""
    kept = np.zeros_like(conditions)
    for each in components:
        if each.from_labels:
            kept[:, each.columns] = conditions[:, each.columns]
    codes, counts = np.unique(kept, axis=0, return_counts=True)
    return np.ascontiguousarray(codes[np.argsort(-counts, kind="stable")[:CODES]], dtype=np.float32)
