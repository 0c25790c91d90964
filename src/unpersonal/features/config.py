"""Configuration of the `features` stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..core.config import Config


class FeaturesConfig(Config):
    """Which encoder makes the features that condition the denoiser."""

    kind: Literal["ssl", "pca"] = Field("ssl", description="ssl: self-supervised, trained on train; pca: closed form")
    dimensions: int = Field(64, ge=2, le=4096, description="length of a feature vector")
    width: int = Field(24, ge=4, description="channels of the first convolution (ssl)")
    images: int = Field(120_000, ge=1, description="training budget: image pairs seen (ssl)")
    batch: int = Field(256, ge=4, description="image pairs per step (ssl)")
    lr: float = Field(2e-3, gt=0, description="peak learning rate (ssl)")
    temperature: float = Field(0.2, gt=0, description="temperature of the contrastive loss (ssl)")
