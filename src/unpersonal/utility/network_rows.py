"""Images through somebody's network: brought to its size, channels and scale; and who it is.

Legend: n images, c channels of the images, C of the network, S pixels a side, d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..images.preprocess import to_channels
from .extractor import OPTION

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

BATCH = 32


@dataclass(frozen=True)
class Preparation:
    """How a network wants its images: `size` pixels a side, `channels`, and of each channel the mean and the standard
    deviation (of values from 0 to 1) that are taken off and divided by.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def channels(self) -> int:
        """Channels of the network."""
        return len(self.mean)

    def __post_init__(self) -> None:
        numbers = [*self.mean, *self.std]
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError("mean and standard deviation are of one channel, or of three")
        if not np.isfinite(numbers).all() or min(self.std) <= 0:
            raise ValueError("a mean is finite, and a standard deviation above 0")
        if not 8 <= self.size <= 1024:
            raise ValueError(f"images of {self.size} pixels a side cannot be given to it")

    def __call__(self, images: np.ndarray) -> Tensor:
        """float32 [n,C,S,S] of uint8 [n,c,s,s]."""
        import torch
        from torch.nn import functional as F

        pixels = torch.from_numpy(np.stack([to_channels(image, self.channels) for image in images])).float() / 255
        if pixels.shape[-1] != self.size:
            shape = (self.size, self.size)
            pixels = F.interpolate(pixels, shape, mode="bilinear", align_corners=False, antialias=True)
        mean, std = (torch.tensor(values)[None, :, None, None] for values in (self.mean, self.std))
        return (pixels - mean) / std


def network_rows(
    network: nn.Module, read: Callable[[Tensor], Tensor], prepare: Preparation, device: torch.device
) -> Callable[[np.ndarray], np.ndarray]:
    """What makes rows float64 [n,d] of uint8 images: `read` is asked for those of a batch of a `network`'s inputs."""
    import torch

    network = network.to(device).eval()

    def rows(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found = [
                read(prepare(images[start : start + BATCH]).to(device)).float().flatten(1).cpu().numpy()
                for start in range(0, len(images), BATCH)
            ]
        values = np.concatenate(found).astype(np.float64)
        if not np.isfinite(values).all():
            raise InputError("The network gives values that are not finite", where=OPTION, how="use another")
        return values

    return rows


def weights_hash(tensors: Sequence[tuple[str, Tensor]]) -> str:
    """Hex SHA-256 over name, type, shape and bytes of every tensor, in the order of their names."""
    import torch

    digest = sha256()
    for name, value in sorted(tensors, key=lambda item: item[0]):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
