"""Figures that a stage returns: frozen dataclasses in the program, JSON in files.

A figure is a number, a truth value, a text, or a tuple, a mapping or a `Figures` of such. Its type hint says what its
JSON may hold; a figure that is Optional is `null` where it is None. A figure made by `absent()` is left out instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import Field, field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import InputError

F = TypeVar("F", bound="Figures")
HOW = "run the stage that writes it again"


class WrongFigure(ValueError):
    """A value is not what the hint of its figure says."""


def absent(*, unless: str = "") -> Any:
    """A figure that is None by default, and then left out of the JSON.

    With `unless`, the name of another figure, it is left out where that one is None, and is `null` otherwise.
    """
    return field(default=None, metadata={"absent": True, "unless": unless})


def called(key: str) -> Any:
    """A figure whose key in JSON is no name of Python's."""
    return field(metadata={"key": key})


def unwritten(default: Callable[[], Any]) -> Any:
    """What belongs to the figures and is not part of their JSON; `default` makes its value where none is given."""
    return field(default_factory=default, metadata={"unwritten": True})


class Figures:
    """Base of frozen dataclasses of figures; subclasses pass `kw_only=True`, so that no two can be confused."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON; a value that its hint does not allow, NaN or infinity is a `ValueError`."""
        hints = get_type_hints(type(self))
        found = {}
        for item in _written(type(self)):
            if self._is_told(item):
                key = _key(item)
                found[key] = _out(getattr(self, item.name), hints[item.name], key)
        return found

    @classmethod
    def from_json(cls: type[F], values: object, *, where: str) -> F:
        """The figures in parsed JSON; a missing, unknown or wrong one is an `InputError` that names it and `where`."""
        try:
            return cls._read(values, "")
        except WrongFigure as error:
            raise InputError(f"A figure is not what it should be: {error}", where=where, how=HOW) from None

    @classmethod
    def _read(cls: type[F], values: object, name: str) -> F:
        """`values` as this class; `name` leads to them, for messages."""
        if not isinstance(values, Mapping):
            raise WrongFigure(f"{name or 'the whole'} is no table")
        hints = get_type_hints(cls)
        known = {_key(item): item for item in _written(cls)}
        if unknown := sorted(str(key) for key in values if key not in known):
            raise WrongFigure(f"{_join(name, unknown[0])} is unknown")
        read: dict[str, Any] = {}
        for key, item in known.items():
            if key in values:
                hint = hints[item.name]
                if _left_out(item) and not item.metadata["unless"]:
                    hint = _without_none(hint)
                read[item.name] = _in(values[key], hint, _join(name, key))
            elif not _left_out(item):
                raise WrongFigure(f"{_join(name, key)} is missing")
        found = cls(**read)
        for key, item in known.items():
            if found._is_told(item) != (key in values):
                raise WrongFigure(f"{_join(name, key)} is {'out of place' if key in values else 'missing'}")
        return found

    def _is_told(self, item: Field[Any]) -> bool:
        if not _left_out(item):
            return True
        return getattr(self, item.metadata["unless"] or item.name) is not None


def _written(kind: type[Figures]) -> list[Field[Any]]:
    return [item for item in fields(kind) if not item.metadata.get("unwritten")]


def _left_out(item: Field[Any]) -> bool:
    return bool(item.metadata.get("absent"))


def _key(item: Field[Any]) -> str:
    return str(item.metadata.get("key", item.name))


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


@cache
def _hints(kind: type[Figures]) -> dict[str, Any]:
    return get_type_hints(kind)


def _without_none(hint: Any) -> Any:
    return Union[tuple(arm for arm in _arms(hint) if arm is not NoneType)]  # noqa: UP007  # built from a tuple


def _arms(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _is_figures(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Figures)


def _out(value: Any, hint: Any, name: str) -> Any:
    """A figure as JSON."""
    for arm in _arms(hint):
        if _is_figures(arm):
            if isinstance(value, arm):
                return value.to_json()
        elif get_origin(arm) is tuple and isinstance(value, tuple | list):
            return [_out(item, each, name) for item, each in zip(value, _each(arm, len(value), name), strict=True)]
        elif get_origin(arm) in (dict, Mapping) and isinstance(value, Mapping):
            return {_text(key, name): _out(item, get_args(arm)[1], name) for key, item in value.items()}
        elif _is_plain(plain := value.item() if hasattr(value, "item") else value, arm):
            return plain
    raise WrongFigure(f"{name} is {value!r:.80}, which it cannot be")


def _in(value: Any, hint: Any, name: str) -> Any:
    """A figure out of JSON."""
    for arm in _arms(hint):
        if _is_figures(arm):
            if isinstance(value, Mapping):
                return arm._read(value, name)
        elif get_origin(arm) is tuple:
            if isinstance(value, list):
                kinds = _each(arm, len(value), name)
                return tuple(_in(item, each, name) for item, each in zip(value, kinds, strict=True))
        elif get_origin(arm) in (dict, Mapping):
            if isinstance(value, Mapping):
                return {_text(key, name): _in(item, get_args(arm)[1], _join(name, key)) for key, item in value.items()}
        elif _is_plain(value, arm):
            return value
        elif arm is float and _is_plain(value, int) and abs(value) < 2**53:
            return float(value)
    raise WrongFigure(f"{name} is {value!r:.80}, which it cannot be")


def _text(key: object, name: str) -> str:
    if not isinstance(key, str):
        raise WrongFigure(f"{name} has the key {key!r}, which is no text")
    return key


def _each(hint: Any, count: int, name: str) -> tuple[Any, ...]:
    """The hint of every item of a tuple of `count`."""
    kinds = get_args(hint)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return (kinds[0],) * count
    if len(kinds) != count:
        raise WrongFigure(f"{name} has {count} values instead of {len(kinds)}")
    return kinds


def _is_plain(value: object, hint: Any) -> bool:
    """Whether a value without parts is what the hint says; a number is finite, and a truth value is no number."""
    if get_origin(hint) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(hint))
    if hint is NoneType:
        return value is None
    if hint is float:
        return isinstance(value, float) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return hint in (bool, str) and isinstance(value, hint)
