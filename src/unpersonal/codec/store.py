"""The store of a study: preprocessed images, latents, and the codec that links them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.tensors import load_tensors, open_array, save_tensors
from .base import Codec, CodecState
from .latents import DEVIATIONS, MEANS, LatentRows
from .registry import CODECS


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


def save_codec(path: Path, codec: Codec, name: str) -> None:
    """Write a codec of the kind `name` as safetensors that name it; plain facts go to a .json beside them."""
    state = CODECS.get(name).save(codec)
    beside = path.with_suffix(".json")
    beside.unlink(missing_ok=True)
    if state.facts:
        write_json(beside, state.facts)
    save_tensors(path, state.tensors, {"kind": name})


def load_codec(study: Path) -> Codec:
    """The codec of a study; an unknown kind, or a file that does not fit the facts beside it, is an `InputError`."""
    path = study / "store" / "codec.safetensors"
    tensors, metadata = load_tensors(path)
    part = CODECS.get(str(metadata.get("kind")), where=str(path))
    beside = path.with_suffix(".json")
    try:
        return part.load(CodecState(tensors, read_json(beside) if beside.is_file() else {}), str(path))
    except KeyError as error:
        raise InputError(
            f"The codec lacks {error}", where=str(path), how="delete the folder store and run again"
        ) from None
