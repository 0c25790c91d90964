"""Pixels that are not square, made so before anything else looks at a picture: a round disc is round afterwards."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .picture import ImageError, Picture, check_size
from .reasons import Reason

SQUARE = 0.01
"""Relative difference of a pixel's sides that is none: a header rounds, and 1 % is a pixel in a hundred."""
CLEAR = 0.05
"""The same for resolutions of PNG, JPEG, TIFF and BMP, which programs write carelessly (fax: 204 × 196 dpi)."""
MAX_RATIO = 32.0
"""Ratio of a pixel's sides up to which it may be true; slices of 8 mm have pixels of 0.25 mm."""
MOST_ENLARGED = 2**24
"""Pixels up to which the longer side of a pixel is divided; above, the shorter ones are averaged."""


def pixel_aspect(height: float, width: float) -> float | None:
    """Height over width of a pixel of the given sides, in any common unit; None where they say nothing.

    Zeros, negative and infinite numbers on both sides stand for no value. On one side only they are an absurd ratio:
    `ImageError` with reason pixel-aspect.
    """
    usable = [math.isfinite(side) and side > 0 for side in (height, width)]
    if all(usable):
        return height / width
    if any(usable):
        raise ImageError(Reason.ASPECT, f"its header gives pixels of {height:g} × {width:g} (height × width)")
    return None


def density_aspect(across: float, down: float) -> float:
    """Height over width of a pixel, given pixels per length across and down; 1 where these do not clearly differ."""
    aspect = pixel_aspect(across, down)
    return 1.0 if aspect is None or math.isclose(aspect, 1, rel_tol=CLEAR) else aspect


def is_square(aspect: float) -> bool:
    """Whether pixels of this height over width are left as they are."""
    return math.isclose(aspect, 1, rel_tol=SQUARE)


def squared(picture: Picture, aspect: float) -> Picture:
    """The picture with square pixels, given the height over the width of those it has; its size is the new one.

    The longer side of a pixel is divided (bicubic), so that no detail is lost; of a picture that would become large
    the shorter one grows, antialiased. `ImageError`: pixel-aspect for ratios over `MAX_RATIO`, too-small.
    """
    if is_square(aspect):
        return picture
    if not 1 / MAX_RATIO <= aspect <= MAX_RATIO:
        raise ImageError(Reason.ASPECT, f"its header gives pixels {max(aspect, 1 / aspect):g} times as long as wide")
    height, width = _size(picture.height, picture.width, aspect)
    check_size(height, width)
    pixels = np.stack([_resized(plane, height, width) for plane in picture.pixels])
    padding = picture.padding
    if padding is not None:
        padding = _resized(padding.astype(np.uint8), height, width, smooth=False).astype(bool)
        pixels[:, padding] = 0
    return replace(
        picture, pixels=pixels, height=height, width=width, padding=padding, notes=(*picture.notes, "squared")
    )


def _size(height: int, width: int, aspect: float) -> tuple[int, int]:
    tall = aspect > 1
    fine = (round(height * aspect), width) if tall else (height, round(width / aspect))
    if math.prod(fine) <= MOST_ENLARGED:
        return fine
    return (height, round(width / aspect)) if tall else (round(height * aspect), width)


def _resized(plane: np.ndarray, height: int, width: int, *, smooth: bool = True) -> np.ndarray:
    """One channel uint8 or uint16 [H,W] at another size; no value is outside those that occur."""
    from PIL import Image

    deep = plane.dtype != np.uint8
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32 if deep else np.uint8))
    filtered = image.resize((width, height), Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST)
    found = np.asarray(filtered)
    # bicubic overshoots at edges; a window that was applied has nothing beyond its ends
    bounded = np.clip(found, plane.min(), plane.max())
    return np.rint(bounded).astype(plane.dtype) if deep else bounded
