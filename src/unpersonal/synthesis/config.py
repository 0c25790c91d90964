"""Configuration of the `synthesis` stage."""

from __future__ import annotations

from pydantic import Field, model_validator

from ..core.config import Config


class SynthesisConfig(Config):
    """How candidates are drawn, and how often."""

    sources: int = Field(0, ge=0, description="train images used as sources; 0 = every one")
    candidates: int = Field(4, ge=1, le=256, description="candidates per source and attempt (N)")
    attempts: int = Field(
        3, ge=1, le=50, description="draws per source at most: the first and R = attempts - 1 redraws"
    )
    steps: int = Field(18, ge=2, le=256, description="Heun steps")
    sigma_min: float = Field(0.002, gt=0, description="least noise level of the solver")
    sigma_max: float = Field(80.0, gt=0, description="greatest noise level of the solver")
    rho: float = Field(7.0, gt=0, description="curvature of the solver's time grid")
    guidance: float = Field(1.4, ge=0, le=10, description="guidance of the first attempt")
    guidance_step: float = Field(0.1, ge=0, description="guidance is lowered by this per redraw, never below 0")
    blend: int = Field(2, ge=2, le=16, description="subjects blended into a condition (k)")
    condition_noise: float = Field(0.1, ge=0, le=2, description="L2 length of the noise added to a condition")
    chunk: int = Field(64, ge=1, description="sources drawn together; also what is lost at most when killed")
    batch: int = Field(256, ge=1, description="candidates per denoiser evaluation")

    @model_validator(mode="after")
    def _levels_are_ordered(self) -> SynthesisConfig:
        if self.sigma_max <= self.sigma_min:
            raise ValueError("sigma_max must exceed sigma_min")
        return self

    def strength(self, attempt: int) -> float:
        """Guidance of redraw number `attempt` (0 = first draw)."""
        return max(round(self.guidance - self.guidance_step * attempt, 6), 0.0)
