"""Configuration of the `encode` stage."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from ..core.config import Config

VAE = "vae:"
"""What the kind of a pretrained autoencoder begins with; a folder or a hub name follows."""


class CodecConfig(Config):
    """How prepared images are turned into latents."""

    kind: str = Field(
        "patch",
        description="patch: orthonormal transform per patch; pixel: none; kl: autoencoder trained on train; "
        "vae:FOLDER or vae:OWNER/NAME: a diffusers AutoencoderKL",
    )
    patch: int = Field(8, ge=2, le=32, description="edge of a patch, in pixels (patch codec)")
    components: int = Field(16, ge=1, description="components kept per patch (patch codec)")
    latent_channels: int = Field(4, ge=1, le=64, description="channels of the latents (kl codec)")
    width: int = Field(16, ge=4, multiple_of=4, description="channels at full size (kl codec)")
    levels: int = Field(2, ge=1, le=5, description="how often the edge is halved (kl codec)")
    kl_weight: float = Field(1e-6, ge=0, description="weight of the divergence, in nats per pixel value (kl codec)")
    edge_weight: float = Field(0.5, ge=0, description="weight of the error of the image gradients (kl codec)")
    images: int = Field(50_000, ge=1, description="images the autoencoder is trained on, with repetition (kl codec)")
    batch: int = Field(16, ge=1, description="images per step (kl codec)")
    lr: float = Field(1e-3, gt=0, description="peak learning rate (kl codec)")
    evaluations: int = Field(20, ge=1, description="how often the held-out error is measured (kl codec)")
    patience: int = Field(5, ge=0, description="measurements without a better one that end it; 0: never (kl codec)")

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        named = value.startswith(VAE) and value.removeprefix(VAE).strip() and "\x00" not in value
        if value not in ("patch", "pixel", "kl") and not named:
            raise ValueError(f"kind is patch, pixel, kl, vae:FOLDER or vae:OWNER/NAME, not {value!r}")
        return value

    @model_validator(mode="after")
    def _components_fit(self) -> CodecConfig:
        if self.kind == "patch" and self.components > 3 * self.patch**2:
            raise ValueError(f"components {self.components} exceeds the values in a patch")
        return self

    def check_size(self, size: int) -> None:
        """`ValueError` where images of `size` pixels cannot go through this codec; a pretrained one is not opened."""
        if self.kind == "patch" and size % self.patch:
            below = size - size % self.patch
            fit = " or ".join(str(edge) for edge in (below, below + self.patch) if edge)
            raise ValueError(f"size {size} is not a multiple of patch {self.patch}; use {fit}")
        if self.kind == "kl" and size % 2**self.levels:
            raise ValueError(f"size {size} cannot be halved {self.levels} times (levels)")
