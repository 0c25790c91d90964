"""Base of every configuration class: frozen, validated on construction, unknown keys refused."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import InputError

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)


def build_config(kind: type[C], values: dict[str, Any], *, where: str) -> C:
    """Validate `values` as `kind`; every problem found is named in one `InputError`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"]) or "(top level)"
            text = "unknown key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
            problems.append(f"{key}: {text}")
        raise InputError(
            "The configuration is not valid: " + "; ".join(problems),
            where=where,
            how="correct or remove the keys named above",
        ) from None
