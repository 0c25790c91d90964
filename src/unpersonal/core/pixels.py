"""Between the bytes of images and floats in [0, 1]: one conversion each way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def to_float(images: np.ndarray | torch.Tensor, device: torch.device | None = None) -> torch.Tensor:
    """Images uint8 of any shape as float32 in [0, 1], on `device` (by default where they are; arrays: the CPU).

    They go to the device as bytes, a quarter of what they are as floats.
    """
    import torch

    # an array may be read-only, or turned: a tensor takes neither
    pixels = images if isinstance(images, torch.Tensor) else torch.from_numpy(np.array(images))
    return (pixels if device is None else pixels.to(device)).to(torch.float32) / 255


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """Floats in [0, 1], of any shape, as uint8 rounded to the nearest level; what lies outside is clipped."""
    import torch

    pixels: np.ndarray = images.detach().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    return pixels
