"""From a decoded image to the store's form: 8 bits, square, one size, grey unless the cohort is colour."""

from __future__ import annotations

import numpy as np

LOW, HIGH = 0.5, 99.5
"""Percentiles that become black and white where an image has more than 8 bits."""


def to_eight_bits(pixels: np.ndarray) -> np.ndarray:
    """uint8 [C,H,W] as it is; deeper integers or floats [C,H,W] windowed between two percentiles."""
    if pixels.dtype == np.uint8:
        return pixels
    low, high = np.percentile(pixels, (LOW, HIGH))
    scaled = (pixels.astype(np.float64) - low) / max(high - low, 1e-12)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def preprocess(pixels: np.ndarray, *, size: int, fit: str, colour: bool) -> np.ndarray:
    """uint8 [C,size,size] of decoded `pixels` [C,H,W]; C is 3 for a colour cohort, else 1.

    Resizing is antialiased (Pillow's bicubic filter with its support scaled by the reduction).
    """
    from PIL import Image

    image = to_eight_bits(pixels)[:3]
    if image.shape[0] == 2:
        image = image[:1]
    picture = Image.fromarray(image[0] if image.shape[0] == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
    picture = picture.convert("RGB" if colour else "L")
    width, height = picture.size
    if width != height:
        edge = min(width, height) if fit == "crop" else max(width, height)
        left, top = (width - edge) // 2, (height - edge) // 2
        picture = picture.crop((left, top, left + edge, top + edge))
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    array = np.asarray(picture)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
