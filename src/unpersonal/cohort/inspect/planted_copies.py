"""How many copies a search would find: some are planted in the cohort's own images, each altered in a known way."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from ...core.seeds import numpy_rng
from ...metrics.copies import contrast_maps
from .copy_embedding import Embedding, Maps, area_weights, pack_maps, perceptual_hash, thumbnails

HASH_RADIUS = 4
"""Bits of 64 by which the hashes of a candidate pair may differ."""
PLANTED = 128
"""Images of which copies are planted to measure the recall, and the largest side of the planted copies, pixels."""


def planted_recall(
    images: np.ndarray,
    kept: Maps,
    embed: Embedding,
    vectors: np.ndarray,
    rows: np.ndarray,
    least: float,
    threshold: float,
) -> dict[str, float]:
    """Share of copies of the images `rows`, altered in each of the ways of `altered`, that the search would report."""
    originals, rng = np.stack([_reduced(images[row]) for row in rows]), numpy_rng("duplicates", "planted")
    recall = {}
    for kind, alter in ALTERATIONS.items():
        small = thumbnails(np.stack([alter(image, rng) for image in originals])[:, None])
        maps = pack_maps(contrast_maps(small[:, None]))
        close = (embed.packed(maps) * vectors[rows]).sum(axis=1) > least
        close |= (perceptual_hash(small) != kept.bits[rows]).sum(axis=1) <= HASH_RADIUS
        recall[kind] = float((close & (embed.registered(maps, kept.maps[rows]) >= threshold)).mean())
    return recall


def _reduced(image: np.ndarray) -> np.ndarray:
    """Grey uint8 [H', W'] of uint8 [C, H, W], sides at most PLANTED pixels."""
    grey = image.mean(axis=0, dtype=np.float32)
    height, width = (min(side, PLANTED) for side in grey.shape)
    return np.rint(area_weights(grey.shape[0], height) @ grey @ area_weights(grey.shape[1], width).T).astype(np.uint8)


def _re_encoded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=50)
    return np.asarray(Image.open(stream))


def _resized(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    height, width = image.shape
    small = Image.fromarray(image).resize((2 * width // 3, 2 * height // 3), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def _brighter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(image * np.float32(1.15) + 12, 0, 255).astype(np.uint8)


def _flatter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (255 * (image / 255) ** 0.8 * 0.7 + 20).astype(np.uint8)


def _noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(image + rng.normal(0, 8, image.shape)), 0, 255).astype(np.uint8)


def _cropped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    height, width = image.shape
    left, top = rng.random(2) * 0.03 * (width, height)
    box = (left, top, left + 0.97 * width, top + 0.97 * height)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box))


ALTERATIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "re-encoded": _re_encoded,
    "resized": _resized,
    "brighter": _brighter,
    "flatter": _flatter,
    "noisy": _noisy,
    "cropped": _cropped,
}
"""Kinds of planted copies; each takes and gives grey uint8 [H, W]."""
