"""What every codec offers. Legend: B batch, C image channels, H W pixels, c h w latent channels and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

SIGMA_DATA = 0.5
"""Standard deviation of latents, the value that EDM2 assumes (arXiv 2312.02696, table 6)."""


class Codec(Protocol):
    """Pixels in [0, 1], float32 [B,C,H,W], to latents float32 [B,c,h,w] with standard deviation 0.5, and back."""

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Latents [B,c,h,w] of images [B,C,H,W] in [0, 1]."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images [B,C,H,W], clipped to [0, 1], of latents [B,c,h,w]."""
        ...

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything needed to rebuild the codec."""
        ...


def to_float(images: np.ndarray) -> torch.Tensor:
    """uint8 [B,C,H,W] to float32 in [0, 1]."""
    import torch

    return torch.from_numpy(np.array(images, dtype=np.float32)).div_(255.0)


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """float [B,C,H,W] in [0, 1] to uint8, rounded to the nearest level."""
    import torch

    return images.detach().cpu().clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
