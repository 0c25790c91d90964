"""Configuration of the `encode` stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from ..core.config import Config, check_options, part_config, with_keys_of
from ..core.errors import InputError
from .registry import CODECS


def forms_of(name: str) -> tuple[str, ...]:
    """How the kind of a codec is written: its name, or the name with each example of its argument (`vae:FOLDER`)."""
    part = CODECS.get(name)
    if not part.argument:
        return (name,)
    examples = part.config.model_fields[part.argument].examples or [part.argument.upper()]
    return tuple(f"{name}:{example}" for example in examples)


def is_lossless(name: str) -> bool:
    """Whether images come back from a codec as they were; False for one that is not installed (any more)."""
    try:
        return CODECS.get(name).lossless
    except InputError:
        return False


def _described() -> str:
    own = ((" or ".join(forms_of(name)), CODECS.get(name).summary) for name in CODECS.own_names())
    return "; ".join(f"{form}: {summary}" for form, summary in own)


class CodecConfig(Config):
    """How prepared images are turned into latents."""

    kind: str = Field("patch", description=_described())
    fitted_on: Literal["train", "phantom-cxr", "phantom-ct", "phantom-mri"] = Field(
        "train", description="whom a codec, or the scale of its latents, is fitted on: train people, or invented ones"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="keys of a codec from another package")

    @property
    def name(self) -> str:
        """The name of the codec, without what follows it."""
        return self.kind.partition(":")[0]

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """The codec."""
        return (("codec", self.name),)

    def part_config(self) -> Config:
        """The codec's own configuration."""
        config, part = part_config(CODECS, self.name, self, self.options), CODECS.get(self.name)
        told = {part.argument: self.kind.partition(":")[2].strip()} if part.argument else {}
        return type(config).model_validate({**config.model_dump(), **told})

    def check_size(self, size: int) -> None:
        """`ValueError` where images of `size` pixels do not fit the codec."""
        CODECS.get(self.name).check(self.part_config(), size)

    def fingerprint(self, study: Path) -> str:
        """A hash of files outside the study that decide what the codec is; empty without such files."""
        return CODECS.get(self.name).fingerprint(self.part_config(), study)

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        name, colon, argument = value.partition(":")
        known = CODECS.is_ours(name) or name in CODECS.names()
        takes = bool(CODECS.get(name).argument) if known else False
        if not known or takes != bool(argument.strip()) or bool(colon) != takes or "\x00" in value:
            # a plug-in that is not named is not loaded
            forms = [form for n in CODECS.names() for form in (forms_of(n) if CODECS.is_ours(n) else (n,))]
            raise ValueError(f"kind is {', '.join(forms[:-1])} or {forms[-1]}, not {value!r}")
        return value

    @model_validator(mode="after")
    def _options_fit(self) -> CodecConfig:
        check_options(CODECS, self.name, self.options)
        self.part_config()
        return self


if not TYPE_CHECKING:
    CodecConfig = with_keys_of(CODECS, CodecConfig)
