"""A page for each public name of the package, made of its docstrings by mkdocstrings."""

from __future__ import annotations

import inspect
from types import ModuleType

from tables import cell, first_sentence, table

import unpersonal
from unpersonal import verbs

HEAD = """# Python

The verbs of the command line in Python. They print nothing and never leave the program: wrong input is an `InputError`,
a refusal a `PolicyRefused`.

"""


def names() -> list[str]:
    """The public names, without those between underscores."""
    return [name for name in unpersonal.__all__ if not name.startswith("_")]


def pages() -> dict[str, tuple[str, str]]:
    """File name to title and text."""
    rows = [
        [
            f"[`{name}`]({name}.md)",
            cell(first_sentence(inspect.getdoc(getattr(verbs, name, None) or getattr(unpersonal, name)))),
        ]
        for name in names()
    ]
    listed = {"index.md": ("All names", HEAD + table(["name", "what it is"], rows))}
    return {**listed, **{f"{name}.md": (name, page(name)) for name in names()}}


def page(name: str) -> str:
    """A verb, class or error; and of a room that can be called, what else is public in it."""
    verb = name in verbs.__all__
    text = f"# unpersonal.{name}\n\n::: unpersonal.{'verbs.' if verb else ''}{name}\n"
    room = getattr(unpersonal, name)
    inside = [each for each in getattr(room, "__all__", ()) if isinstance(room, ModuleType)]
    return text + "".join(f"\n::: unpersonal.{name}.{each}\n" for each in inside)
