"""Base of every configuration class: frozen, validated on construction, unknown keys refused."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import InputError

C = TypeVar("C", bound="Config")
COMMAND_LINE = "the command line"
"""Where values were typed as options, not written as keys."""


class Config(BaseModel):
    """Frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)


def build_config(kind: type[C], values: dict[str, Any], *, where: str) -> C:
    """Validate `values` as `kind`; every problem found is named in one `InputError`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = []
        typed = where == COMMAND_LINE
        for item in error.errors():
            key = _option(item["loc"]) if typed else ".".join(str(part) for part in item["loc"]) or "(top level)"
            text = item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden":
                text = "unknown key" + _nearest(kind, item["loc"])
            problems.append(f"{key}: {text}" if key else text)
        raise InputError(
            ("An option is not valid: " if typed else "The configuration is not valid: ") + "; ".join(problems),
            where=where,
            how=f"correct or leave out the {'options' if typed else 'keys'} named above",
        ) from None


def _nearest(kind: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The known key that is most like an unknown one, to be put behind it; nothing where none is alike."""
    for part in location[:-1]:
        info = kind.model_fields.get(str(part))
        if info is None or not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)):
            return ""
        kind = info.annotation
    found = get_close_matches(str(location[-1]), list(kind.model_fields), 1)
    return f" (did you mean {found[0]}?)" if found else ""


def _option(location: tuple[int | str, ...]) -> str:
    """The option of the command line for a key: `cohort.slice_range` is `--slice-range`; nothing for a whole table."""
    return f"--{str(location[1]).replace('_', '-')}" if len(location) > 1 else ""
