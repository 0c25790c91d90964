"""The store of a study: preprocessed images, latents, and the codec that links them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.tensors import load_tensors, open_array, save_tensors
from .base import Codec
from .config import CodecConfig

if TYPE_CHECKING:
    import torch


def load_images(study: Path) -> np.ndarray:
    """Memory-mapped uint8 [n,C,H,W], one row per row of the cohort."""
    return open_array(study / "store" / "images.npy")


def load_latents(study: Path) -> np.ndarray:
    """Memory-mapped float32 [n,c,h,w], one row per row of the cohort."""
    return open_array(study / "store" / "latents.npy")


def fit_codec(images: np.ndarray, config: CodecConfig) -> Codec:
    """Fit the codec that `config` names on uint8 images [n,C,H,W]."""
    from .patch import PatchCodec
    from .pixel import PixelCodec

    if config.kind == "patch":
        return PatchCodec.fit(images, patch=config.patch, components=config.components)
    return PixelCodec.fit(images)


def save_codec(path: Path, codec: Codec) -> None:
    """Write the codec as safetensors with its kind in the metadata."""
    save_tensors(path, codec.tensors(), {"kind": type(codec).__name__})


def load_codec(study: Path) -> Codec:
    """The codec of a study; an unknown kind is an `InputError`."""
    from .patch import PatchCodec
    from .pixel import PixelCodec

    path = study / "store" / "codec.safetensors"
    tensors, metadata = load_tensors(path)
    if metadata.get("kind") == "PatchCodec":
        return PatchCodec(tensors["basis"], tensors["mean"], tensors["scale"], int(tensors["patch"]))
    if metadata.get("kind") == "PixelCodec":
        return PixelCodec(tensors["mean"], tensors["scale"])
    raise InputError(f"Unknown codec {metadata.get('kind')!r}", where=str(path), how="delete it and run again")


def psnr(original: torch.Tensor, restored: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB for images in [0, 1], over all pixels at once."""
    import torch

    error = torch.mean((original.double() - restored.double()) ** 2).item()
    return float(-10 * np.log10(max(error, 1e-12)))
