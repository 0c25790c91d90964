"""Pixel codec: the image itself, shifted and scaled per channel to mean 0 and standard deviation 0.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.config import Config
from ..base import SIGMA_DATA, CodecPart, CodecState, FitInputs, FittedCodec, Plan, RowView

if TYPE_CHECKING:
    import torch


class PixelCodec:
    """`mean` [C,1,1] and `scale` [C,1,1], of pixels in [0, 1]."""

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        self.mean, self.scale = mean, scale

    @classmethod
    def fit(cls, images: np.ndarray | RowView) -> PixelCodec:
        """Fit on uint8 images [n,C,H,W]."""
        import torch

        total = np.zeros(images.shape[1])
        square = np.zeros(images.shape[1])
        for start in range(0, len(images), 512):
            block = images[start : start + 512].astype(np.float64) / 255
            total += block.mean((2, 3)).sum(0)
            square += (block**2).mean((2, 3)).sum(0)
        mean = total / len(images)
        scale = np.sqrt(np.maximum(square / len(images) - mean**2, 1e-8))
        shape = (-1, 1, 1)
        return cls(torch.from_numpy(mean).float().reshape(shape), torch.from_numpy(scale).float().reshape(shape))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Latents [B,C,H,W] of images [B,C,H,W] in [0, 1]."""
        return (images - self.mean.to(images.device)) * (SIGMA_DATA / self.scale.to(images.device))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images [B,C,H,W], clipped to [0, 1]."""
        scale, mean = self.scale.to(latents.device), self.mean.to(latents.device)
        return (latents * (scale / SIGMA_DATA) + mean).clamp(0, 1)


class PixelPart(CodecPart):
    """The codec `pixel`, which has no keys."""

    config = Config
    summary = "none"
    lossless = True

    def latent_shape(self, config: Config, plan: Plan) -> tuple[int, int, int]:
        """That of the images."""
        return plan.channels, plan.size, plan.size

    def fit(self, config: Config, inputs: FitInputs) -> FittedCodec:
        """Mean and deviation of the pixels of train."""
        return FittedCodec(PixelCodec.fit(RowView(inputs.images, inputs.train)))

    def save(self, codec: PixelCodec) -> CodecState:
        """`mean` and `scale`."""
        return CodecState({"mean": codec.mean, "scale": codec.scale})

    def load(self, state: CodecState, where: str) -> PixelCodec:
        """The codec of the tensors of `save`."""
        return PixelCodec(state.tensors["mean"], state.tensors["scale"])


CODEC = PixelPart()
