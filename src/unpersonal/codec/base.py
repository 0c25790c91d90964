"""What every codec offers. Legend: B batch, C image channels, H W pixels, c h w latent channels and cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

SIGMA_DATA = 0.5
"""Standard deviation of latents, the value that EDM2 assumes (arXiv 2312.02696, table 6)."""

BLOCK = 256
"""Images handled at once, at most."""

PIXELS = 2**24
"""Pixels handled at once, at most."""


class Codec(Protocol):
    """Pixels in [0, 1], float32 [B,C,H,W], to latents float32 [B,c,h,w] with standard deviation 0.5, and back."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Latents [B,c,h,w] of images [B,C,H,W] in [0, 1]; the mean where the codec has a distribution per image."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images [B,C,H,W], clipped to [0, 1], of latents [B,c,h,w]."""
        ...

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything needed to rebuild the codec, but for plain facts that a codec keeps in codec.json."""
        ...


class Rows:
    """The rows `rows` of `array`, read only when asked for; slices and arrays of row numbers are understood."""

    def __init__(self, array: Any, rows: np.ndarray) -> None:
        self._array, self._rows = array, np.asarray(rows, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the view."""
        return (len(self._rows), *self._array.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self._array[self._rows[rows]])


def at_once(images: np.ndarray) -> int:
    """How many of `images` [n,C,H,W] are turned into floats at once: their memory is bounded, whatever their size."""
    return min(BLOCK, max(PIXELS // (images.shape[-1] * images.shape[-2]), 1))


def blocks(count: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices that cover 0..count in steps of `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
