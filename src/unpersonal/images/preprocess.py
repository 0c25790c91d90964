"""From decoded pixels to the store's form: 8 bits, square, one size. Legend: C channels (1 grey, 3 colour), S size."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from ..core.config import Config
from .decode import is_grey
from .picture import Picture

GAP = 1.5
"""Large reductions are first made by averaging blocks, as long as at least this many times the size remains."""
LEVELS = 1 << 16
LONGEST = 8192
"""Sides of a padded square beyond which the image is reduced first: its area must not cost gigabytes."""


class PreprocessConfig(Config):
    """How images of any size and depth are brought to one form."""

    size: int = Field(64, ge=32, le=1024, description="edge of the square images, in pixels")
    fit: Literal["crop", "pad"] = Field("crop", description="how a non-square image becomes square")
    normalisation: Literal["auto", "percentile"] = Field(
        "auto",
        description="percentile: each image between its percentiles, also within a window; "
        "auto: only those over 8 bits without a window",
    )
    percentiles: tuple[float, float] = Field((0.5, 99.5), description="what becomes black and white, in percent")

    @field_validator("percentiles")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] < value[1] <= 100:
            raise ValueError("percentiles are two numbers from 0 to 100, the first below the second")
        return value

    def preprocessing(self) -> PreprocessConfig:
        """Only the keys that decide how a stored image looks; what configurations built on this one add is left out."""
        return PreprocessConfig(**{name: getattr(self, name) for name in PreprocessConfig.model_fields})

    @property
    def enough(self) -> int | None:
        """Pixels a side below which a decoder must not reduce an image; None where it must not reduce at all."""
        return int(GAP * self.size) if self.fit == "crop" else None

    def values(self, pixels: np.ndarray) -> np.ndarray:
        """The values of decoded pixels [C,H,W] that are looked at: all."""
        return pixels

    def kept(self, picture: Picture) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what is kept, in pixels of the array; outside it where it is padded."""
        return _square(picture, self.fit)


class ViewConfig(PreprocessConfig):
    """A view of a picture for comparison: all of it squashed or padded, or a square at a place of its longer side."""

    size: int = Field(64, ge=8, le=1024, description="edge of the square images, in pixels")
    squash: bool = Field(False, description="all of it, both sides stretched to the same length")
    place: float = Field(0.5, ge=0, le=1, description="where the square is cut: 0 left or top, 1 right or bottom")
    low: bool = Field(False, description="of pixels of more than 8 bits the lower 8, as a picture of their own")

    def preprocessing(self) -> ViewConfig:
        """All keys decide how an image looks."""
        return self

    @property
    def enough(self) -> int | None:
        """None: what is compared is decoded in full."""
        return None

    def values(self, pixels: np.ndarray) -> np.ndarray:
        """See `PreprocessConfig.values`."""
        return (pixels & 0xFF).astype(np.uint8) if self.low and pixels.dtype == np.uint16 else pixels

    def kept(self, picture: Picture) -> tuple[float, float, float, float]:
        """See `PreprocessConfig.kept`."""
        height, width = picture.pixels.shape[1:]
        if self.squash:
            return 0, 0, width, height
        if self.fit == "pad":
            return super().kept(picture)
        edge = min(height, width)
        left, top = int((width - edge) * self.place), int((height - edge) * self.place)
        return left, top, left + edge, top + edge


def percentile_levels(pixels: np.ndarray, percentiles: tuple[float, float]) -> tuple[float, float]:
    """The two percentiles of one or more uint8 or uint16 pixels, interpolated linearly (as `numpy.percentile`)."""
    below = np.cumsum(np.bincount(pixels.ravel(), minlength=LEVELS))
    found = []
    for percent in percentiles:
        place = percent / 100 * (pixels.size - 1)
        first = int(np.searchsorted(below, int(place), side="right"))
        second = int(np.searchsorted(below, min(int(place) + 1, pixels.size - 1), side="right"))
        found.append(first + (place - int(place)) * (second - first))
    return found[0], found[1]


def to_eight_bits(
    pixels: np.ndarray,
    percentiles: tuple[float, float] = (0.5, 99.5),
    *,
    windowed: bool = False,
    always: bool = False,
    padding: np.ndarray | None = None,
) -> np.ndarray:
    """uint8 of the shape of `pixels` [C,H,W]: uint8 as it is, deeper pixels between two percentiles.

    `windowed`: 0..65535 already is the range to be shown. `always`: percentiles also of uint8 and of what a window
    left. `padding` bool [H,W] marks pixels (0) that no percentile counts.
    """
    top = 256 if pixels.dtype == np.uint8 else LEVELS
    if top == 256 and not always:
        return pixels
    if windowed and not always:
        low, high = 0.0, top - 1.0
    else:
        measured = pixels if padding is None or padding.all() else pixels[:, ~padding]
        low, high = percentile_levels(measured, percentiles)
    share = (np.arange(top, dtype=np.float64) - low) / max(high - low, 1e-12)
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)[pixels]


def prepare(picture: Picture, config: PreprocessConfig) -> np.ndarray:
    """uint8 [C,S,S] of a picture: C is 1 where its content is grey, else 3.

    Cropping and padding (with black) keep the centre. Resizing is antialiased: by block averages as long as half
    as much again as the size remains, then by Pillow's bicubic filter with its support scaled by the reduction.
    """
    from PIL import Image

    pixels = config.values(picture.pixels)
    if pixels.shape[0] == 3 and is_grey(pixels):
        pixels = _grey_of(pixels)
    always = config.normalisation == "percentile"
    shown = to_eight_bits(pixels, config.percentiles, windowed=picture.windowed, always=always, padding=picture.padding)
    height, width = shown.shape[1:]
    if shown.shape[0] == 1:
        image = Image.frombuffer("L", (width, height), np.ascontiguousarray(shown), "raw", "L", 0, 1)
    else:
        image = Image.fromarray(np.ascontiguousarray(shown.transpose(1, 2, 0)))
    left, top, right, bottom = config.kept(picture)
    padded = right - left > width or bottom - top > height
    if (
        padded and (factor := math.ceil((right - left) / LONGEST)) > 1
    ):  # the padding of a strip is as wide as it is long
        image = image.reduce((min(factor, width), min(factor, height)))
        edge = max(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        right, bottom, (width, height) = left + edge, top + edge, image.size
    # whole pixels are cut out first: the filter must not reach beyond what is kept
    edges = math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
    if edges != (0, 0, width, height):
        image = image.crop(edges)
    if (right - left, *image.size) != (config.size, config.size, config.size):
        box = (left - edges[0], top - edges[1], right - edges[0], bottom - edges[1])
        image = image.resize((config.size, config.size), Image.Resampling.BICUBIC, box=box, reducing_gap=GAP)
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _grey_of(pixels: np.ndarray) -> np.ndarray:
    """[1,H,W] of the same dtype: luma (ITU-R BT.601) of grey content in three channels [3,H,W]."""
    from PIL import Image

    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).convert("L"))[None]
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.rint(sum(weight * plane for weight, plane in zip(weights, pixels, strict=True))).astype(np.uint16)[None]


def _square(picture: Picture, fit: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the square in the middle, or around all of it."""
    height, width = picture.pixels.shape[1:]
    if (height, width) == (picture.height, picture.width):
        edge = min(width, height) if fit == "crop" else max(width, height)
        left, top = (width - edge) // 2, (height - edge) // 2
        return left, top, left + edge, top + edge
    # a JPEG decodes to n eighths of its size, rounded up: the last row and column are only partly image
    across, down = (
        full * round(8 * kept / full) / 8 for full, kept in ((picture.width, width), (picture.height, height))
    )
    side = min(across, down)
    return (across - side) / 2, (down - side) / 2, (across + side) / 2, (down + side) / 2


def to_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """A prepared image uint8 [C,S,S] as [channels,S,S]: grey is repeated, colour becomes luma (ITU-R BT.601)."""
    if image.shape[0] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=0)
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).convert("L"))[None]


def preprocess(pixels: np.ndarray, *, size: int, fit: Literal["crop", "pad"], colour: bool) -> np.ndarray:
    """uint8 [C,size,size] of decoded `pixels` [C,H,W]; C is 3 for a colour cohort, else 1."""
    config = PreprocessConfig.model_construct(size=size, fit=fit)
    picture = Picture(pixels, pixels.shape[1], pixels.shape[2], 8 * pixels.dtype.itemsize)
    return to_channels(prepare(picture, config), 3 if colour else 1)
