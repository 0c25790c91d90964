"""Configuration of the `encode` stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ..cohort.preprocess import PreprocessConfig


class CodecConfig(PreprocessConfig):
    """How images are brought to one form and turned into latents."""

    kind: Literal["patch", "pixel"] = Field("patch", description="patch: orthonormal transform per patch; pixel: none")
    patch: int = Field(8, ge=2, le=32, description="edge of a patch, in pixels (patch codec)")
    components: int = Field(16, ge=1, description="components kept per patch (patch codec)")
    workers: int = Field(0, ge=0, le=256, description="processes that decode images; 0: one per core")

    @model_validator(mode="after")
    def _patches_fit(self) -> CodecConfig:
        if self.kind == "patch" and self.size % self.patch:
            raise ValueError(f"size {self.size} is not a multiple of patch {self.patch}")
        if self.kind == "patch" and self.components > 3 * self.patch**2:
            raise ValueError(f"components {self.components} exceeds the values in a patch")
        return self
