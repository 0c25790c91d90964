"""The store of a study: preprocessed images, latents, and the codec that links them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.tensors import load_tensors, open_array, save_tensors
from .base import Codec, Rows
from .config import CodecConfig
from .latents import DEVIATIONS, MEANS, LatentRows

if TYPE_CHECKING:
    import torch


def load_images(study: Path) -> np.ndarray:
    """Memory-mapped uint8 [n,C,H,W], one row per row of the cohort."""
    return open_array(study / "store" / "images.npy")


def load_latents(study: Path) -> np.ndarray:
    """Memory-mapped float32 [n,c,h,w], one row per row of the cohort; means where the codec has a distribution."""
    return open_array(study / "store" / MEANS)


def load_latent_rows(study: Path) -> LatentRows:
    """The latents for training: means by `[]`, draws by `sample`; memory-mapped, one row per row of the cohort."""
    deviations = study / "store" / DEVIATIONS
    mean = load_latents(study)
    deviation = open_array(deviations) if deviations.is_file() else None
    if deviation is not None and deviation.shape != mean.shape:
        raise InputError(
            f"Deviations {deviation.shape} do not fit the latents {mean.shape}",
            where=str(deviations),
            how="delete it and run again",
        )
    return LatentRows(mean, deviation)


def fit_codec(images: np.ndarray | Rows, config: CodecConfig) -> Codec:
    """Fit the closed-form codec that `config` names on uint8 images [n,C,H,W]; kl and vae: are a `ValueError`."""
    from .patch import PatchCodec
    from .pixel import PixelCodec

    if config.kind == "patch":
        return PatchCodec.fit(images, patch=config.patch, components=config.components)
    if config.kind == "pixel":
        return PixelCodec.fit(images)
    raise ValueError(f"the codec {config.kind!r} has no closed form")


def save_codec(path: Path, codec: Codec) -> None:
    """Write the codec as safetensors with its kind in the metadata; plain facts go to a .json beside it."""
    beside, facts = path.with_suffix(".json"), getattr(codec, "facts", None)
    beside.unlink(missing_ok=True)
    if facts is not None:
        write_json(beside, facts)
    save_tensors(path, codec.tensors(), {"kind": type(codec).__name__})


def load_codec(study: Path) -> Codec:
    """The codec of a study; an unknown kind, or a file that does not fit the facts beside it, is an `InputError`."""
    from .patch import PatchCodec
    from .pixel import PixelCodec

    path = study / "store" / "codec.safetensors"
    tensors, metadata = load_tensors(path)
    if metadata.get("kind") == "PatchCodec":
        return PatchCodec(tensors["basis"], tensors["mean"], tensors["scale"], int(tensors["patch"]))
    if metadata.get("kind") == "PixelCodec":
        return PixelCodec(tensors["mean"], tensors["scale"])
    if metadata.get("kind") in ("KLCodec", "VAECodec"):
        return _network_codec(path, metadata["kind"], tensors)
    raise InputError(f"Unknown codec {metadata.get('kind')!r}", where=str(path), how="delete it and run again")


def _network_codec(path: Path, kind: str, tensors: dict[str, torch.Tensor]) -> Codec:
    from . import kl, vae

    beside = path.with_suffix(".json")
    facts = read_json(beside)
    network = kl.network_of(facts, str(beside)) if kind == "KLCodec" else vae.network_of(facts, str(beside))
    weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    try:
        network.parts.load_state_dict(weights, strict=True)
        channels, mean, scale = int(facts["channels"]), tensors["mean"], tensors["scale"]
    except (RuntimeError, KeyError) as error:
        raise InputError(
            f"The codec does not fit the facts beside it ({type(error).__name__})",
            where=str(path),
            how="delete the folder store and run again",
        ) from None
    known = {name: value for name, value in facts.items() if name != "channels"}
    return (kl.KLCodec if kind == "KLCodec" else vae.VAECodec)(network, known, channels, mean, scale)


def psnr(original: torch.Tensor, restored: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB for images in [0, 1], over all pixels at once."""
    import torch

    error = torch.mean((original.double() - restored.double()) ** 2).item()
    return float(-10 * np.log10(max(error, 1e-12)))
