"""Whether a file holds labels of pixels, not a picture: few whole values, or a header that says so."""

from __future__ import annotations

import numpy as np

from .decode import decode_raster
from .formats import kind_of
from .picture import ImageError

FEW_LEVELS = 16
"""Grey values up to which a picture may be a mask or a map of labels."""
BINARY_ENDS = 24
"""Grey values from black and from white within which nearly all of a mask lies that was saved as JPEG."""
NEARLY_ALL = 0.97
SPARSE = 8
"""Every n-th pixel of every n-th row is looked at first."""


def holds_labels(data: bytes) -> bool:
    """Whether a raster file has few grey values or a NIfTI file few whole ones; False for what cannot be read."""
    try:
        kind = kind_of(data)
        if kind == "raster":
            return has_few_levels(decode_raster(data).pixels)
        if kind == "nifti":
            from .nifti import is_label_volume

            return is_label_volume(data)
        return False
    except ImageError:
        return False


def has_few_levels(pixels: np.ndarray) -> bool:
    """Whether [C,H,W] has up to `FEW_LEVELS` distinct colours, or nearly all of it is at one of two ends (JPEG)."""
    if pixels.shape[0] == 3:
        words = pixels.astype(np.int64)
        flat = (words[0] << 32 | words[1] << 16 | words[2]).ravel()
        if len(np.unique(flat)) <= FEW_LEVELS:
            return True
        pixels = pixels.max(axis=0, keepdims=True)
    values, counts = np.unique(pixels, return_counts=True)
    if len(values) <= FEW_LEVELS:
        return True
    if pixels.dtype != np.uint8 or int(values[-1]) - int(values[0]) < 4 * BINARY_ENDS:
        return False
    ends = (values <= int(values[0]) + BINARY_ENDS) | (values >= int(values[-1]) - BINARY_ENDS)
    return bool(counts[ends].sum() >= NEARLY_ALL * counts.sum())


def may_be_mask(pixels: np.ndarray) -> bool:
    """`has_few_levels`, found out by few pixels first, for most pictures are none."""
    few = pixels[0, ::SPARSE, ::SPARSE]
    levels = np.count_nonzero(np.bincount(few.ravel() if few.dtype == np.uint8 else few.ravel() >> 8, minlength=256))
    return bool(levels <= FEW_LEVELS) and has_few_levels(pixels)
