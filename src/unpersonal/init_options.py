"""The options of `unpersonal init`: one for each field of the configuration of a cohort.

A field is an option without being named here: its name, type, default and description become those of the option, and
the registry says which layouts read it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .commands.completion import completing
from .core.errors import InputError
from .layouts.config import IN_FILE_SYSTEM, CohortConfig
from .layouts.options import option
from .layouts.registry import AUTO, LAYOUTS, readers_of

NAMED_APART = {"options": "--option"}
"""Options that are typed once for each of several values."""


def command_with_options(command: Callable[..., None]) -> Any:
    """`command` as a command of Typer, with an option for each field after its own first parameter.

    What was typed is passed on as it was typed, under the name of its field, and None where nothing was; see
    `cohort_keys`.
    """
    first, *others = inspect.signature(command).parameters.values()
    options = [_parameter(key, field) for key, field in _fields().items()]

    @wraps(command)
    def run(**values: Any) -> None:
        command(**values)

    run.__signature__ = inspect.Signature([first, *options, *others])  # type: ignore[attr-defined]
    # Rich's table cuts the names of options off in a terminal of 80 columns
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(epilog=_layouts(), context_settings={"max_content_width": 120})(run)
    return typer.main.get_command(app)


def cohort_keys(typed: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `[cohort]` out of the `typed` options; those that were not typed are left out.

    Numbers that are none, and an option without `=`, are an `InputError`.
    """
    fields = _fields()
    given = {key: value for key, value in typed.items() if value not in (None, [])}
    return {key: _value(key, _plain_type(fields[key]), value) for key, value in given.items()}


def _fields() -> dict[str, FieldInfo]:
    """The fields that are options: all but tables, which are for study.toml."""
    fields = CohortConfig.model_fields
    return {key: field for key, field in fields.items() if not _is_model(_plain_type(field))}


def _is_model(kind: Any) -> bool:
    # Python 3.10 calls `list[str]` a type too
    return get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, BaseModel)


def _plain_type(field: FieldInfo) -> Any:
    """The type of a field's value where it has one."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    optional = NoneType in get_args(field.annotation)
    return kinds[0] if optional and len(kinds) == 1 else field.annotation


def _parameter(key: str, field: FieldInfo) -> inspect.Parameter:
    """The option of a field as a parameter of a function, for Typer to read."""
    kind = _plain_type(field)
    typed: Any = {bool: bool, int: int}.get(kind, str)
    declared = option(key)
    if IN_FILE_SYSTEM in field.metadata:
        typed = Path
    elif kind is bool:
        on = f"--{key.replace('_', '-')}"
        declared = f"{on}/--no-{on.removeprefix('--')}"
    elif get_origin(kind) is dict:
        typed, declared = list[str], NAMED_APART[key]
    told = typer.Option(
        declared,
        help=_help(key, field),
        metavar=_metavar(kind),
        show_default=_default(field),
        autocompletion=_completion(key, kind),
    )
    required = field.is_required()
    return inspect.Parameter(
        key,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[typed if required else typed | None, told],
    )


def _completion(key: str, kind: Any) -> Callable[[str], list[str]] | None:
    """What a shell may complete where a value is one of several words."""
    if get_origin(kind) is Literal:
        return completing(lambda: get_args(kind))
    return completing(lambda: (AUTO, *LAYOUTS.names())) if key == "layout" else None


def _metavar(kind: Any) -> str | None:
    """What stands for the value in the help, where its type says more than text or a number."""
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return {list: "A,B,…", tuple: "A,B", dict: "KEY=VALUE"}.get(get_origin(kind) or kind)


def _default(field: FieldInfo) -> str | bool:
    """A field's default as it would be typed; False where there is nothing to show."""
    default = field.get_default(call_default_factory=True)
    if field.is_required() or default is None or default in ([], {}):
        return False
    if isinstance(default, tuple):
        return ",".join(str(value) for value in default)
    return str(default) if not isinstance(default, bool) else "yes" if default else "no"


def _help(key: str, field: FieldInfo) -> str:
    """A field's description and the layouts that read it."""
    text = field.description or ""
    if readers := readers_of(key):
        text += f"; read by {', '.join(readers)}"
    return text[:1].upper() + text[1:] + "."


def _layouts() -> str:
    """What each layout is, for the end of the help."""
    lines = [f"{layout.name}: {layout.title}." for layout in LAYOUTS]
    others = [name for name in LAYOUTS.names() if not LAYOUTS.is_ours(name)]
    lines += [f"{name}: a plug-in." for name in others]
    return "\n\n".join([f"Layouts. {AUTO}: recognised from the input.", *lines])


def _value(key: str, kind: Any, typed: Any) -> Any:
    """What was typed as a value of study.toml."""
    origin = get_origin(kind)
    if origin is list:
        return [word.strip() for word in typed.split(",")]
    if origin is tuple:
        return _numbers(typed, option(key), len(get_args(kind)))
    if origin is dict:
        return dict(_pair(text, NAMED_APART[key]) for text in typed)
    return str(typed) if isinstance(typed, Path) else typed


def _numbers(text: str, where: str, count: int) -> list[float]:
    try:
        numbers = [float(word) for word in text.split(",")]
        if len(numbers) != count:
            raise ValueError
    except ValueError:
        raise InputError(f"{text!r} is not two numbers", where=where, how=f"write {where} 40,80") from None
    return numbers


def _pair(text: str, where: str) -> tuple[str, Any]:
    """A key and its value; the value as TOML where it is that, such as a number, else as text."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"{text!r} is not a key and its value", where=where, how=f"write {where} KEY=VALUE")
    try:
        return key, tomlkit.parse(f"value = {value}").unwrap()["value"]
    except TOMLKitError:
        return key, value
