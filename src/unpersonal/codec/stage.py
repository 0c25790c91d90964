"""The `encode` stage: decode every image once into the store, fit the codec on train, write the latents."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..cohort.config import CohortConfig
from ..cohort.decode import decode
from ..cohort.readers import image_source
from ..cohort.sources import ImageError, Source
from ..cohort.table import Cohort, load_cohort
from ..core.errors import InputError
from ..core.hashing import sha256_bytes
from ..core.progress import progress_bar
from ..core.tensors import create_array
from .base import Codec, to_float
from .config import CodecConfig
from .preprocess import preprocess
from .store import fit_codec, load_images, psnr, save_codec

BLOCK = 256


def run_stage(study: Path, config: CodecConfig, *, source: CohortConfig) -> dict[str, Any]:
    """Write store/images.npy, store/codec.safetensors and store/latents.npy; returns sizes and the PSNR on val.

    An image whose content is no longer what the cohort recorded is an `InputError`.
    """
    cohort = load_cohort(study)
    store_images(study, cohort, image_source(source, study), config)
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


def store_images(study: Path, cohort: Cohort, source: Source, config: CodecConfig) -> None:
    """Decode in threads, in the order of the cohort, into store/images.npy (uint8 [n,C,size,size])."""
    table = cohort.table
    shape = (len(table), 3 if cohort.colour else 1, config.size, config.size)

    def load(item: tuple[str, str]) -> np.ndarray:
        name, digest = item
        try:
            data = source.open_bytes(name)
            if sha256_bytes(data) != digest:
                raise ImageError("changed", "its content is not what the cohort recorded")
            return preprocess(decode(data), size=config.size, fit=config.fit, colour=cohort.colour)
        except ImageError as error:
            raise InputError(
                f"An image of the cohort cannot be used any more ({error})",
                where=name,
                how="restore the images, or run again so that the cohort is read anew",
            ) from None

    items = list(zip(table["image"], table["sha256"], strict=True))
    with (
        create_array(study / "store" / "images.npy", shape, np.uint8) as images,
        ThreadPoolExecutor(config.workers) as pool,
        progress_bar("encode (images)", len(items)) as bar,
    ):
        # in blocks, so that only a block of decoded images is ever in memory
        for start, block in _blocks(items):
            for offset, pixels in enumerate(pool.map(load, block)):
                images[start + offset] = pixels
            bar.advance(len(block))


def store_latents(study: Path, images: np.ndarray, codec: Codec) -> tuple[int, ...]:
    """Write store/latents.npy (float32 [n,c,h,w]); returns (c, h, w)."""
    shape = tuple(codec.encode(to_float(images[:1])).shape[1:])
    with create_array(study / "store" / "latents.npy", (len(images), *shape), np.float32) as latents:
        for start in range(0, len(images), BLOCK):
            latents[start : start + BLOCK] = codec.encode(to_float(images[start : start + BLOCK])).numpy()
    return shape


def _blocks(items: list[tuple[str, str]]) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    for start in range(0, len(items), BLOCK):
        yield start, items[start : start + BLOCK]
