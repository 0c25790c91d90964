"""The `encode` stage: bring every image into the store once, fit the codec on train, write the latents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.config import CohortConfig
from ..cohort.ingest import ingest
from ..cohort.picture import DecodeOptions
from ..cohort.readers import image_source
from ..cohort.store import ImageStore
from ..cohort.table import Cohort, load_cohort
from ..core.errors import InputError
from ..core.tensors import create_array
from .base import Codec, to_float
from .config import CodecConfig
from .store import fit_codec, load_images, psnr, save_codec

BLOCK = 256


def run_stage(study: Path, config: CodecConfig, *, source: CohortConfig) -> dict[str, Any]:
    """Write store/images.npy, store/codec.safetensors and store/latents.npy; returns sizes and the PSNR on val.

    Images that the cohort stage prepared are taken as they are. An image whose content is no longer what the cohort
    recorded is an `InputError`.
    """
    cohort = load_cohort(study)
    store_images(study, cohort, config, source)
    images = load_images(study)
    codec = fit_codec(np.array(images[cohort.rows("train")]), config)
    save_codec(study / "store" / "codec.safetensors", codec)
    shape = store_latents(study, images, codec)
    held_out = to_float(images[cohort.rows("val")[:1000]])
    return {
        "size": config.size,
        "channels": int(images.shape[1]),
        "codec": config.kind,
        "latent": "x".join(str(edge) for edge in shape),
        "psnr_db": psnr(held_out, codec.decode(codec.encode(held_out))),
    }


def store_images(study: Path, cohort: Cohort, config: CodecConfig, source: CohortConfig) -> None:
    """Make store/images.npy (uint8 [n,C,size,size]) hold the images of the cohort in its order."""
    options = DecodeOptions.of(source)
    store = ImageStore(study / "store", config, options)
    contents = cohort.table["sha256"].tolist()
    channels = 3 if cohort.colour else 1
    if store.holds(contents, channels):
        return
    names = cohort.table["image"].tolist()
    files = image_source(source, study)
    facts = ingest(names, files, options, config, store, workers=config.workers)
    refused = (facts["reason"] != "").to_numpy()
    changed = refused | (facts["content"].to_numpy() != np.array(contents, dtype=object))
    if changed.any():
        row = int(np.flatnonzero(changed)[0])
        why = facts["detail"].iloc[row] if refused[row] else "its content is not what the cohort recorded"
        raise InputError(
            f"{int(changed.sum())} images of the cohort cannot be used any more ({why})",
            where=names[row],
            how="restore the images, or run again so that the cohort is read anew",
        )
    store.assemble(contents, channels)


def store_latents(study: Path, images: np.ndarray, codec: Codec) -> tuple[int, ...]:
    """Write store/latents.npy (float32 [n,c,h,w]); returns (c, h, w)."""
    shape = tuple(codec.encode(to_float(images[:1])).shape[1:])
    with create_array(study / "store" / "latents.npy", (len(images), *shape), np.float32) as latents:
        for start in range(0, len(images), BLOCK):
            latents[start : start + BLOCK] = codec.encode(to_float(images[start : start + BLOCK])).numpy()
    return shape
