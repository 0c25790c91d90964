"""Arguments of the verbs: checked before any work, and called by their names where a message names an option."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from inspect import Parameter, Signature, signature
from numbers import Real
from typing import Any, ParamSpec, TypeVar

from .errors import InputError
from .telling import in_terminal

P = ParamSpec("P")
R = TypeVar("R")

RENAMED = {
    "format": "fmt",
    "control-at-random": "at_random=True",
    "control-not-at-random": "at_random=False",
    "no-official-splits": "official_splits=False",
}
"""Options that are other words in Python; all others have the name of their argument, with `_` for `-`."""
_OPTION = re.compile(r"`(?!--)[^`]*`|(?<![\w-])--([a-z][a-z-]*[a-z])")
"""An option, or what stands in backticks and begins otherwise: a whole command, which remains one."""


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def _all(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Sequence) and not isinstance(value, str | bytes) and all(map(kind, value))


def _is_word(value: Any) -> bool:
    return isinstance(value, str)


KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "Path": ("a path", _is_path),
    "Place": ("a path", _is_path),
    "Places": ("a path or several", lambda value: _is_path(value) or _all(_is_path)(value)),
    "Sequence[Place]": ("a list of paths", _all(_is_path)),
    "str": ("text", _is_word),
    "ProfileName": ("text", _is_word),
    "Sequence[str]": ("a list of texts", _all(_is_word)),
    "int": ("a whole number", _is_whole),
    "float": ("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool)),
    "bool": ("True or False", lambda value: type(value).__name__ in ("bool", "bool_")),
    "Listener": ("a function", callable),
    "None": ("None", lambda value: value is None),
}
"""What an annotation asks for: in words, and whether a value is one."""


def verb(*keys: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For functions whose arguments are checked by their annotations (`KINDS`) before they are called.

    An argument of another kind is an `InputError`. What the work itself refuses names options of the command line: by
    their arguments here, unless a command called the verb. `keys` may stand behind `**` and are for the verb to check.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        called = signature(function)
        kinds = _kinds(function.__qualname__, called)
        names = frozenset((*called.parameters, *keys))

        @wraps(function)
        def checked(*args: P.args, **options: P.kwargs) -> R:
            try:
                given = called.bind(*args, **options).arguments
            except TypeError:
                return function(*args, **options)  # Python itself says better what is missing
            for name, words in kinds.items():
                if name in given and not any(KINDS[word][1](given[name]) for word in words):
                    wanted = " or ".join(KINDS[word][0] for word in words)
                    raise InputError(
                        f"{name} is {_shown(given[name])}", where=function.__qualname__, how=f"give {wanted}"
                    )
            try:
                return function(*args, **options)
            except InputError as error:
                if not in_terminal():
                    error.reword(lambda text: in_python(text, names, function.__qualname__))
                raise

        return checked

    return decorate


def _kinds(name: str, called: Signature) -> dict[str, list[str]]:
    """The kinds that each argument may be of, by its annotation."""
    annotated = {
        each.name: str(each.annotation).split(" | ")
        for each in called.parameters.values()
        if each.kind is not Parameter.VAR_KEYWORD and each.annotation is not Parameter.empty
    }
    unknown = {word for words in annotated.values() for word in words} - set(KINDS)
    if unknown:
        raise TypeError(f"{name}: core.arguments does not say what {', '.join(sorted(unknown))} is")
    return annotated


def in_python(text: str, names: Collection[str], verb_name: str) -> str:
    """`text` with arguments out of `names` in place of the options of a command."""

    def instead(found: re.Match[str]) -> str:
        option = found[1] or ""
        argument = RENAMED.get(option, option.replace("-", "_"))
        known = argument.partition("=")[0] in names or text.startswith(": unknown key", found.end())
        return argument if known else found[0]

    named = _OPTION.sub(instead, text).replace("An option is not valid", "An argument is not valid")
    named = named.replace("leave out the options named above", "leave out the arguments named above")
    return named.replace("the command line", f"the arguments of {verb_name}")


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
