"""A page for each command, of what its `--help` is made of."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import typer
from tables import cell, code, first_sentence, table

from unpersonal.cli import app

HEAD = """# Commands

Each command has `--help`, which says the same as its page here. Which exit code means what is the same everywhere:

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a bug: please report it |
| 2 | the input or the configuration is wrong, or a release was altered: what, where and how to mend it |
| 3 | refused: by policy, audit or gate, or because a release was withdrawn or is not what it claims |

"""


@cache
def all_commands() -> dict[str, Any]:
    """Every command by name, with all of its options."""
    group = typer.main.get_command(app)
    context = group.make_context("unpersonal", ["--help"], resilient_parsing=True)
    return {name: group.resolve_command(context, [name])[1] for name in group.list_commands(context)}  # type: ignore[attr-defined]


def pages() -> dict[str, tuple[str, str]]:
    """File name to title and text: the list of commands, and one page for each."""
    found = all_commands()
    rows = [[f"[`{name}`]({name}.md)", cell(first_sentence(each.help))] for name, each in found.items()]
    listed = {"index.md": ("All commands", HEAD + table(["command", "what it does"], rows))}
    return {**listed, **{f"{name}.md": (name, page(name, each)) for name, each in found.items()}}


def page(name: str, command: Any) -> str:
    """What a command does, how it is called, and what it may be told."""
    context = command.make_context(f"unpersonal {name}", [], resilient_parsing=True)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [
        f"# unpersonal {name}\n",
        inspect.cleandoc(command.help or "") + "\n",
        f"```\n{' '.join(usage.split())}\n```\n",
    ]
    if arguments:
        parts += ["## Arguments\n", table(["argument", "meaning"], [row(each, context) for each in arguments])]
    if options:
        parts += ["## Options\n", table(["option", "meaning"], [row(each, context) for each in options])]
    if command.epilog:
        parts += ["## More\n", inspect.cleandoc(command.epilog) + "\n"]
    parts += ["What each exit code means is said [for all commands](index.md).\n"]
    return "\n".join(parts)


def row(parameter: Any, context: Any) -> list[str]:
    """An argument or option as its help has it: what is typed, and what it means."""
    typed, meaning = parameter.get_help_record(context) or ("", "")
    return [code(typed.replace("|", "\\|")), cell(meaning)]
