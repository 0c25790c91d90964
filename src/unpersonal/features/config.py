"""Configuration of the `features` stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator, model_validator

from ..core.config import Config, check_options, part_config, with_keys_of
from ..core.errors import InputError
from ..core.registry import Registry
from .registry import CONDITIONS, ENCODERS

UNCONDITIONAL = "uncond"


def _described() -> str:
    own = "; ".join(f"{name}: {CONDITIONS.get(name).summary}" for name in CONDITIONS.own_names())
    return f"{UNCONDITIONAL}: none; {own}; or several joined by +, e.g. feature+label"


class FeaturesConfig(Config):
    """What the denoiser is conditioned on, and which encoders make it."""

    condition: str = Field("feature", description=_described())
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="keys of plug-ins named above, a table each: [features.options.NAME]"
    )

    @property
    def components(self) -> tuple[str, ...]:
        """The components of a condition in their order; none where it is `uncond`."""
        return () if self.condition == UNCONDITIONAL else tuple(self.condition.split("+"))

    @property
    def shared_by(self) -> int:
        """Train subjects who share a component of a condition, the most of all components; 1: none is shared."""
        return max((CONDITIONS.get(name).shared_by(self.part_config(name)) for name in self.components), default=1)

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """The components, and what they name in turn."""
        named = (part for name in self.components for part in self.part_config(name).named_parts())
        return (*(("condition", name) for name in self.components), *named)

    def part_config(self, name: str) -> Config:
        """The own configuration of a component."""
        return part_config(CONDITIONS, name, self, self.options.get(name, {}))

    def fingerprints(self, study: Path) -> dict[str, str]:
        """A hash of what lies outside the study and decides the rows, for each component that has such a thing."""
        found = {name: CONDITIONS.get(name).fingerprint(self.part_config(name), study) for name in self.components}
        return {f"{name} weights": value for name, value in found.items() if value}

    @field_validator("condition")
    @classmethod
    def _known_components(cls, value: str) -> str:
        names = value.split("+")
        if value == UNCONDITIONAL:
            return value
        if unknown := [name for name in names if not CONDITIONS.is_ours(name) and name not in CONDITIONS.names()]:
            known = ", ".join(CONDITIONS.names())
            raise ValueError(f"{unknown[0]!r} is no component of a condition; use {UNCONDITIONAL} alone, or {known}")
        if len(set(names)) < len(names):
            raise ValueError(f"{value!r} names a component twice")
        return value

    @model_validator(mode="after")
    def _options_fit(self) -> FeaturesConfig:
        registries: dict[str, Registry[Any]] = {"condition": CONDITIONS, "encoder": ENCODERS}
        ours = [self.part_config(name) for name in self.components if CONDITIONS.is_ours(name)]
        inside = [part for config in ours for part in config.named_parts()]
        named = [*(("condition", name) for name in self.components), *inside]
        if unnamed := sorted(self.options.keys() - {name for _, name in named}):
            raise ValueError(f"options: nothing here names {', '.join(unnamed)}")
        for kind, name in named:
            check_options(registries[kind], name, self.options.get(name, {}), table=f"options.{name}")
        return self


def nouns_of(condition: str) -> str:
    """What a condition is made of, for a sentence; a component that is not installed (any more) by its name."""

    def noun(name: str) -> str:
        try:
            return CONDITIONS.get(name).noun or name
        except InputError:
            return name

    return "nothing" if condition == UNCONDITIONAL else " and ".join(sorted(noun(n) for n in condition.split("+")))


if not TYPE_CHECKING:
    FeaturesConfig = with_keys_of(CONDITIONS, FeaturesConfig)
