"""Lines of scripts and pages that call the command line, and whether it takes them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import typer

from unpersonal.cli import app

STAND_INS = {"SLURM_ARRAY_TASK_ID": "3", "SHARDS": "16", "STUDY": "study"}


def calls(text: str) -> Iterator[list[str]]:
    """The arguments of every line that begins with `unpersonal`, or that torchrun gives to it."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not re.match(r"\s*(exec )?(unpersonal|torchrun) ", line):
            continue
        filled = re.sub(r"\$\{?(\w+)\}?", lambda name: STAND_INS.get(name[1], name[1]), line)
        words = shlex.split(filled, comments=True)
        yield words[words.index("unpersonal") + 1 :]


def parse(words: list[str]) -> None:
    """Parse `words` as the command line does, and run nothing; what it refuses is raised."""
    command = typer.main.get_command(app)
    context = command.make_context("unpersonal", list(words))
    _, chosen, rest = command.resolve_command(context, [*context._protected_args, *context.args])
    chosen.make_context(chosen.name, rest, parent=context)
