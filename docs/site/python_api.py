"""A page for each public name of the package, made of its docstrings by mkdocstrings."""

from __future__ import annotations

import inspect
from types import ModuleType

from tables import cell, first_sentence, table

import unpersonal

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
        [f"[`{name}`]({name}.md)", cell(first_sentence(inspect.getdoc(getattr(unpersonal, name))))] for name in names()
    ]
    listed = {"index.md": ("All names", HEAD + table(["name", "what it is"], rows))}
    return {**listed, **{f"{name}.md": (name, page(name)) for name in names()}}


def page(name: str) -> str:
    """A name; of a module whatever it says is public."""
    found = getattr(unpersonal, name)
    inside = list(getattr(found, "__all__", ())) if isinstance(found, ModuleType) else []
    blocks = [f"::: unpersonal.{name}.{each}\n" for each in inside] or [f"::: unpersonal.{name}\n"]
    said = f"{inspect.getdoc(found)}\n\n" if inside else ""
    return f"# unpersonal.{name}\n\n{said}" + "\n".join(blocks)
