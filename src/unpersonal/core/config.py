"""Base of every configuration class: frozen, validated on construction, unknown keys refused.

A table that names parts of registries (a codec, an attack) does four things:

    kind: Annotated[str, known_part(CODECS)] = "patch"      # the name is checked, nothing is imported
    options: dict[str, Any] = {}                            # keys of a plug-in; our own parts read the table itself

    def own_parts(self) -> tuple[tuple[str, str], ...]:     # so that the evidence can tell which plug-ins took part
        return (("codec", self.kind),)

    @model_validator(mode="after")
    def _options_fit(self) -> CodecConfig:
        check_options(CODECS, self.kind, self.options)
        return self

and `part_config(CODECS, self.kind, self, self.options)` is the part's own configuration when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model

from .errors import InputError
from .registry import Registry

C = TypeVar("C", bound="Config")
COMMAND_LINE = "the command line"
"""Where values were typed as options, not written as keys."""


class Config(BaseModel):
    """Frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)

    IDLE: ClassVar[frozenset[str]] = frozenset()
    """Keys that say how something is computed and change no result: no stage becomes stale by them."""

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """(kind, name) of every part that this table itself names; a table that names any overrides this."""
        return ()

    def named_parts(self) -> tuple[tuple[str, str], ...]:
        """(kind, name) of every part that this table and the tables inside it name, each once."""
        values = [getattr(self, name) for name in type(self).model_fields]
        inside = [part for value in values for part in (value.named_parts() if isinstance(value, Config) else ())]
        return tuple(dict.fromkeys((*self.own_parts(), *inside)))


class Configurable(Protocol):
    """What every part of a registry has: `config`, the class of its own configuration."""

    @property
    def config(self) -> type[Config]: ...


def build_config(kind: type[C], values: dict[str, Any], *, where: str) -> C:
    """Validate `values` as `kind`; every problem found is named in one `InputError`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        typed = where == COMMAND_LINE
        raise InputError(
            ("An option is not valid: " if typed else "The configuration is not valid: ")
            + "; ".join(_problems(kind, error, typed=typed)),
            where=where,
            how=f"correct or leave out the {'options' if typed else 'keys'} named above",
        ) from None


def known_part(registry: Registry[Any]) -> AfterValidator:
    """For `Annotated[str, known_part(...)]`: a name that `registry` does not have is a problem of its key."""

    def check(name: str) -> str:
        if not registry.is_ours(name) and name not in registry.names():
            raise ValueError(f"there is no {registry.kind} {name!r}; use one of {', '.join(registry.names())}")
        return name

    return AfterValidator(check)


def check_options(registry: Registry[Any], name: str, options: Mapping[str, Any], *, table: str = "options") -> None:
    """`ValueError` where `options` do not fit the part `name`; for validators of tables.

    A part of ours has no such options: its keys are those of the table. A plug-in's are validated by its own class.
    `table` is where the options stand, as the message names it.
    """
    if not registry.is_ours(name):
        _validated(registry, name, options, table)
    elif options:
        raise ValueError(f"{table}: {name!r} is no plug-in; its keys ({', '.join(options)}) stand in the table itself")


def with_keys_of(registry: Registry[Any], table: type[C]) -> type[C]:
    """`table` with the fields of the configurations of all our own parts as keys of its own: declared once, there.

    A key that the table has already, or that two parts share, is that of the first. What a part is told behind its name
    (its attribute `argument`: `vae:FOLDER`) is no key.
    """
    fields: dict[str, Any] = {}
    for name in registry.own_names():
        apart = getattr(registry.get(name), "argument", "")
        for key, info in _config_class(registry, name).model_fields.items():
            if key not in table.model_fields and key != apart:
                fields.setdefault(key, (info.annotation, info))
    return create_model(table.__name__, __base__=table, __module__=table.__module__, __doc__=table.__doc__, **fields)


def part_config(registry: Registry[Any], name: str, table: Config, options: Mapping[str, Any]) -> Config:
    """The own configuration of the part `name`: a plug-in's from `options`, ours from the keys of `table`.

    A field of ours that the table lacks keeps its default.
    """
    if not registry.is_ours(name):
        return _validated(registry, name, options)
    kind = _config_class(registry, name)
    shared = [field for field in kind.model_fields if field in type(table).model_fields]
    return kind.model_validate({field: getattr(table, field) for field in shared})


def _config_class(registry: Registry[Any], name: str) -> type[Config]:
    part: Configurable = registry.get(name)
    found = getattr(part, "config", None)
    if not (isinstance(found, type) and issubclass(found, Config)):
        raise InputError(
            f"The {registry.kind} {name!r} does not say how it is configured",
            where=f"the entry points {registry.group}",
            how="give it an attribute `config`, a subclass of unpersonal.core.config.Config",
        )
    return found


def _validated(registry: Registry[Any], name: str, options: Mapping[str, Any], table: str = "options") -> Config:
    kind = _config_class(registry, name)
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        raise ValueError("; ".join(f"{table}.{problem}" for problem in _problems(kind, error))) from None


def _problems(kind: type[BaseModel], error: ValidationError, *, typed: bool = False) -> list[str]:
    """One line per problem: the key (the option, where it was `typed`) and what is wrong with it."""
    problems = []
    for item in error.errors():
        key = _option(kind, item["loc"]) if typed else ".".join(str(name) for name in item["loc"]) or "(top level)"
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            text = "unknown key" + _nearest(kind, item["loc"])
        problems.append(f"{key}: {text}" if key else text)
    return problems


def _nearest(kind: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The known key that is most like an unknown one, to be put behind it; nothing where none is alike."""
    for key in location[:-1]:
        info = kind.model_fields.get(str(key))
        if info is None or not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)):
            return ""
        kind = info.annotation
    found = get_close_matches(str(location[-1]), list(kind.model_fields), 1)
    return f" (did you mean {found[0]}?)" if found else ""


def _option(kind: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The option of the command line for a key: `cohort.slice_range` is `--slice-range`; nothing for a whole table."""
    first = kind.model_fields.get(str(location[0])) if location else None
    alone = first is not None and not (isinstance(first.annotation, type) and issubclass(first.annotation, BaseModel))
    named = location[1:2] or (location[:1] if alone else ())
    return f"--{str(named[0]).replace('_', '-')}" if named else ""
