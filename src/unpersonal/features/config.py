"""Configuration of the `features` stage."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from ..core.config import Config

CONDITIONS = ("feature", "label", "text")
UNCONDITIONAL = "uncond"


class FeaturesConfig(Config):
    """What the denoiser is conditioned on, and which encoders make it."""

    condition: str = Field(
        "feature", description="uncond, feature (DiADM), label, text, or several joined by +, e.g. feature+label"
    )
    kind: Literal["ssl", "pca"] = Field("ssl", description="ssl: self-supervised, trained on train; pca: closed form")
    dimensions: int = Field(64, ge=2, le=4096, description="length of a feature vector")
    width: int = Field(24, ge=4, description="channels of the first convolution (ssl)")
    images: int = Field(120_000, ge=1, description="training budget: image pairs seen (ssl)")
    batch: int = Field(256, ge=4, description="image pairs per step (ssl)")
    lr: float = Field(2e-3, gt=0, description="peak learning rate (ssl)")
    temperature: float = Field(0.2, gt=0, description="temperature of the contrastive loss (ssl)")
    text_encoder: str = Field("bow", description="text: bow (hashed bag of words), or hf:MODEL (transformers)")
    text_dimensions: int = Field(64, ge=2, le=4096, description="text: greatest length of a text vector")
    prompt: str = Field("{labels}", description="text: sentence made of the labels where a cohort has no text")

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a condition in their order; none where it is `uncond`."""
        return () if self.condition == UNCONDITIONAL else tuple(self.condition.split("+"))

    @field_validator("condition")
    @classmethod
    def _known_parts(cls, value: str) -> str:
        parts = value.split("+")
        if value == UNCONDITIONAL:
            return value
        if unknown := [part for part in parts if part not in CONDITIONS]:
            raise ValueError(
                f"{unknown[0]!r} is no part of a condition; use {UNCONDITIONAL} alone, or {', '.join(CONDITIONS)}"
            )
        if len(set(parts)) < len(parts):
            raise ValueError(f"{value!r} names a part twice")
        return value

    @field_validator("text_encoder")
    @classmethod
    def _known_encoder(cls, value: str) -> str:
        if value != "bow" and not re.fullmatch(r"hf:\S.*", value):
            raise ValueError(f"{value!r} is neither bow nor hf:MODEL")
        return value

    @field_validator("prompt")
    @classmethod
    def _one_place_for_labels(cls, value: str) -> str:
        if value.count("{labels}") != 1 or re.search(r"[{}]", value.replace("{labels}", "")):
            raise ValueError("the prompt holds {labels} once and no other braces")
        return value
