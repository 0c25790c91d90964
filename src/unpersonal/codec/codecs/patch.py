"""Patch codec: an orthonormal transform per patch, fitted in closed form, truncated and whitened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ...core.config import Config
from ...core.errors import InputError
from ...core.pixels import to_float
from ..base import SIGMA_DATA, CodecPart, CodecState, FitInputs, FittedCodec, Plan, RowView

if TYPE_CHECKING:
    import torch


class PatchConfig(Config):
    """Keys of the patch codec."""

    patch: int = Field(8, ge=2, le=32, description="edge of a patch, in pixels (patch codec)")
    components: int = Field(16, ge=1, description="components kept per patch (patch codec)")


class PatchCodec:
    """Principal components of p x p patches (Karhunen-Loeve transform), each scaled to standard deviation 0.5.

    `basis` [C*p*p, K] has orthonormal columns, `mean` [C*p*p], `scale` [K] = standard deviation of each component.
    """

    def __init__(self, basis: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, patch: int) -> None:
        self.basis, self.mean, self.scale, self.patch = basis, mean, scale, patch

    @classmethod
    def fit(cls, images: np.ndarray | RowView, *, patch: int, components: int) -> PatchCodec:
        """Fit on uint8 images [n,C,H,W]; more components than values in a patch is an `InputError`."""
        import torch

        values = images.shape[1] * patch * patch
        if components > values:
            raise InputError(
                f"The patch codec cannot keep {components} components of {values} values",
                where="[codec] components",
                how=f"use at most {values}",
            )
        total, square, count = (
            torch.zeros(values, dtype=torch.float64),
            torch.zeros(values, values, dtype=torch.float64),
            0,
        )
        for start in range(0, len(images), 512):
            vectors = _to_patches(to_float(images[start : start + 512]), patch).flatten(0, 2).double()
            total += vectors.sum(0)
            square += vectors.T @ vectors
            count += len(vectors)
        mean = total / count
        variance, basis = torch.linalg.eigh(square / count - torch.outer(mean, mean))
        variance, basis = variance.flip(0)[:components], basis.flip(1)[:, :components]
        # an eigenvector's sign is arbitrary: its largest entry is made positive, so that every machine agrees
        largest = basis.abs().argmax(0)
        basis = basis * basis[largest, torch.arange(components)].sign()
        scale = variance.clamp_min(1e-8).sqrt()
        # contiguous, as it comes back from disk: another layout would take another kernel and round otherwise
        return cls(basis.float().contiguous(), mean.float(), scale.float(), patch)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Latents [B,K,H/p,W/p] of images [B,C,H,W] in [0, 1]."""
        self._follow(images)
        vectors = _to_patches(images, self.patch) - self.mean
        return ((vectors @ self.basis) * (SIGMA_DATA / self.scale)).permute(0, 3, 1, 2).contiguous()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images [B,C,H,W], clipped to [0, 1], of latents [B,K,h,w]."""
        self._follow(latents)
        vectors = (latents.permute(0, 2, 3, 1) * (self.scale / SIGMA_DATA)) @ self.basis.T + self.mean
        return _from_patches(vectors, self.patch).clamp(0, 1)

    def _follow(self, like: torch.Tensor) -> None:
        self.basis, self.mean, self.scale = (t.to(like.device) for t in (self.basis, self.mean, self.scale))


def _to_patches(images: torch.Tensor, patch: int) -> torch.Tensor:
    """[B,C,H,W] to [B,H/p,W/p,C*p*p]."""
    b, c, h, w = images.shape
    cells = images.reshape(b, c, h // patch, patch, w // patch, patch)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(b, h // patch, w // patch, c * patch * patch)


def _from_patches(vectors: torch.Tensor, patch: int) -> torch.Tensor:
    """Inverse of `_to_patches`."""
    b, h, w, values = vectors.shape
    c = values // patch**2
    cells = vectors.reshape(b, h, w, c, patch, patch).permute(0, 3, 1, 4, 2, 5)
    return cells.reshape(b, c, h * patch, w * patch)


class PatchPart(CodecPart):
    """The codec `patch`."""

    config = PatchConfig
    summary = "orthonormal transform per patch"

    def check(self, config: PatchConfig, size: int) -> None:
        """Whole patches only, and no more components than a patch of three channels has values."""
        if size % config.patch:
            below = size - size % config.patch
            fit = " or ".join(str(edge) for edge in (below, below + config.patch) if edge)
            raise ValueError(f"size {size} is not a multiple of patch {config.patch}; use {fit}")
        if config.components > 3 * config.patch**2:
            raise ValueError(f"components {config.components} exceeds the values in a patch")

    def latent_shape(self, config: PatchConfig, plan: Plan) -> tuple[int, int, int]:
        """A cell for each patch."""
        return config.components, plan.size // config.patch, plan.size // config.patch

    def fit(self, config: PatchConfig, inputs: FitInputs) -> FittedCodec:
        """The principal components of the patches of train."""
        images = RowView(inputs.images, inputs.train)
        return FittedCodec(PatchCodec.fit(images, patch=config.patch, components=config.components))

    def save(self, codec: PatchCodec) -> CodecState:
        """`basis`, `mean`, `scale` and `patch` (an int64 scalar)."""
        import torch

        patch = torch.tensor(codec.patch)
        return CodecState({"basis": codec.basis, "mean": codec.mean, "scale": codec.scale, "patch": patch})

    def load(self, state: CodecState, where: str) -> PatchCodec:
        """The codec of the tensors of `save`."""
        tensors = state.tensors
        return PatchCodec(tensors["basis"], tensors["mean"], tensors["scale"], int(tensors["patch"]))


CODEC = PatchPart()
