"""Configuration of the `synthesis` stage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator, model_validator

from ..core.config import Config, check_options, known_part, part_config, with_keys_of
from ..diffusion.registry import SOLVERS
from .rank import RANKS

AS_GIVEN, BALANCED = "as-given", "balanced"
_TIMES = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)x", re.ASCII)
MOST_IMAGES = 10**9
"""Images that may be planned: more is a slip of the pen, and no plan of it fits in memory."""


def _described() -> str:
    return "; ".join(f"{name}: {SOLVERS.get(name).summary}" for name in SOLVERS.own_names())


class SynthesisConfig(Config):
    """How candidates are drawn, and how often."""

    sources: int = Field(0, ge=0, description="train images that lend conditions and labels; 0 = every one")
    images: int | str = Field("1x", description='images planned: a number, or "3x" = times the number of sources')
    labels: str | dict[str, float] = Field(
        AS_GIVEN,
        description='"as-given", "balanced", or a table of weights by label set ("effusion|edema" = 2); others: none',
    )
    largest_share: float = Field(
        0.25, gt=0, le=1, description="largest share of all conditions that one subject may take part in"
    )
    fewest_subjects: int = Field(
        10, ge=2, description="a label set that fewer train subjects were given yields nothing"
    )
    candidates: int = Field(4, ge=1, le=256, description="candidates per planned image and attempt (N)")
    attempts: int = Field(
        3, ge=1, le=50, description="draws per planned image at most: the first and R = attempts - 1 redraws"
    )
    rank: str = Field(
        "probabilities",
        description="; ".join(f"{name}: {rank.summary}" for name, rank in RANKS.items()),
    )
    solver: Annotated[str, known_part(SOLVERS)] = Field("dpmpp-2m", description=_described())
    steps: int = Field(15, ge=2, le=256, description="steps of the solver")
    sigma_min: float = Field(0.002, gt=0, description="least noise level of the solver")
    sigma_max: float = Field(80.0, gt=0, description="greatest noise level of the solver")
    rho: float = Field(7.0, gt=0, description="curvature of the solver's time grid")
    guidance: float = Field(1.4, ge=0, le=10, description="guidance of the first attempt")
    guidance_step: float = Field(0.1, ge=0, description="guidance is lowered by this per redraw, never below 0")
    guidance_interval: tuple[float, float] | None = Field(
        None, description="lowest and highest noise level at which guidance acts; absent = at all"
    )
    blend: int = Field(
        2, ge=2, le=16, description="subjects blended into a condition (k); a centroid is blended with nothing"
    )
    condition_noise: float = Field(0.1, ge=0, le=2, description="L2 length of the noise added to a condition")
    chunk: int = Field(64, ge=1, description="planned images drawn together; also what is lost at most when killed")
    batch: int = Field(256, ge=1, description="candidates per denoiser evaluation")
    soft: bool = Field(
        False,
        description="class probabilities beside the labels, by teachers (`teachers` of judges) to whom all people of"
        " the condition are strangers",
    )

    options: dict[str, Any] = Field(default_factory=dict, description="keys of a solver from another package")

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """The solver."""
        return (("solver", self.solver),)

    def solver_config(self) -> Config:
        """The solver's own configuration."""
        return part_config(SOLVERS, self.solver, self, self.options)

    @field_validator("images")
    @classmethod
    def _images_are_counted(cls, value: int | str) -> int | str:
        times = _TIMES.fullmatch(value) if isinstance(value, str) else None
        if (isinstance(value, str) and (times is None or float(times[1]) <= 0)) or (
            isinstance(value, int) and not 1 <= value <= MOST_IMAGES
        ):
            raise ValueError(
                f'give a number of images up to {MOST_IMAGES:,}, or "3x" for three times the number of sources'
            )
        return value

    @field_validator("labels")
    @classmethod
    def _labels_are_known_words(cls, value: str | dict[str, float]) -> str | dict[str, float]:
        if isinstance(value, str):
            if value not in (AS_GIVEN, BALANCED):
                raise ValueError(f'use "{AS_GIVEN}", "{BALANCED}" or a table of weights by label set')
        elif not all(0 <= weight <= MOST_IMAGES for weight in value.values()) or not any(value.values()):
            raise ValueError(f"weights are numbers from 0 to {MOST_IMAGES:,}, one of them above 0")
        return value

    @field_validator("rank")
    @classmethod
    def _rank_is_known(cls, value: str) -> str:
        if value not in RANKS:
            raise ValueError(f"there is no rank {value!r}; use one of {', '.join(RANKS)}")
        return value

    @model_validator(mode="after")
    def _options_fit(self) -> SynthesisConfig:
        check_options(SOLVERS, self.solver, self.options)
        return self

    @model_validator(mode="after")
    def _levels_are_ordered(self) -> SynthesisConfig:
        if self.sigma_max <= self.sigma_min:
            raise ValueError("sigma_max must exceed sigma_min")
        if self.guidance_interval is not None:
            lowest, highest = self.guidance_interval
            if not 0 <= lowest < highest:
                raise ValueError("guidance_interval must be two rising noise levels >= 0")
            if highest < self.sigma_min or lowest > self.sigma_max:
                raise ValueError("guidance_interval lies outside sigma_min to sigma_max, so guidance would never act")
        return self

    @property
    def evaluations(self) -> int:
        """Evaluations of the guided denoiser per candidate."""
        return SOLVERS.get(self.solver).evaluations(self.steps)

    def lending(self, train: int) -> int:
        """Sources, where there are so many `train` images (0: it is not known)."""
        return min(self.sources or train, train or self.sources)

    def planned(self, sources: int) -> int:
        """Images that are planned where there are so many `sources`."""
        if isinstance(self.images, int):
            return self.images
        return max(1, round(float(self.images.removesuffix("x")) * sources)) if sources else 0

    def strength(self, attempt: int) -> float:
        """Guidance of redraw number `attempt` (0 = first draw)."""
        return max(round(self.guidance - self.guidance_step * attempt, 6), 0.0)


if not TYPE_CHECKING:
    SynthesisConfig = with_keys_of(SOLVERS, SynthesisConfig)
