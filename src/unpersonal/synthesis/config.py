"""Configuration of the `synthesis` stage."""

from __future__ import annotations

from pydantic import Field

from ..core.config import Config


class SynthesisConfig(Config):
    """How candidates are drawn, and how often."""

    sources: int = Field(0, ge=0, description="train images used as sources; 0 = every one")
    candidates: int = Field(4, ge=1, le=256, description="candidates per source and attempt (N)")
    attempts: int = Field(3, ge=1, le=50, description="draws per source at most: the first and R = attempts - 1 redraws")
    steps: int = Field(18, ge=2, le=256, description="Heun steps")
    guidance: float = Field(1.4, ge=0, le=10, description="guidance of the first attempt")
    guidance_step: float = Field(0.1, ge=0, description="guidance is lowered by this per redraw, never below 0")
    blend: int = Field(2, ge=2, le=16, description="subjects blended into a condition (k)")
    condition_noise: float = Field(0.1, ge=0, le=2, description="L2 length of the noise added to a condition")
    chunk: int = Field(64, ge=1, description="sources drawn together; also what is lost at most when killed")
    batch: int = Field(256, ge=1, description="candidates per denoiser evaluation")

    def strength(self, attempt: int) -> float:
        """Guidance of redraw number `attempt` (0 = first draw)."""
        return max(round(self.guidance - self.guidance_step * attempt, 6), 0.0)
