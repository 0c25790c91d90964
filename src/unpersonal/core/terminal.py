"""What a command does where its terminal, its output or its working directory is not as usual."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError
from .files import FULL
from .places import PLACES

if TYPE_CHECKING:
    from rich.console import Console

BROKEN_PIPE = 141
"""Exit code of a command whose reader has gone, as of one that SIGPIPE ends (128 + 13)."""
WRONG_INPUT = 2


def prepare_streams() -> None:
    """Letters that a terminal cannot show, or that are no UTF-8 in a file's name, are written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def check_working_directory() -> None:
    """`InputError` where the folder that the command runs in has been removed: no relative path has a meaning there."""
    try:
        Path.cwd()
    except OSError:
        raise InputError(
            "The folder that this command runs in does not exist any more",
            where="the working directory",
            how="change to a folder that exists, and give the command again",
        ) from None


def console(*, stderr: bool = False) -> Console:
    """What tables and notes for people are printed with; a reader that has gone is a `BrokenPipeError`, as of `print`.

    rich itself would end the process with exit code 1.
    """
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Plain(stderr=stderr, highlight=False)


def exit_code(error: OSError) -> int:
    """Say on stderr what the system refused and return the exit code; an error that is a bug is raised again."""
    if isinstance(error, BrokenPipeError):
        silence()
        return BROKEN_PIPE
    if error.errno not in PLACES | set(FULL):
        raise error
    if error.filename is None:
        silence()
    told = InputError(
        f"The system refuses to read or write ({error.strerror})",
        where=os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output",
        how="check that the disk has space, and that you may read and write there",
    )
    with suppress(OSError):
        print(f"unpersonal: {told}", file=sys.stderr, flush=True)
    return WRONG_INPUT


def flush_output() -> int:
    """Write out what was printed; returns 0, or the exit code where that fails."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        return exit_code(error)
    return 0


def silence() -> None:
    """Send to nowhere what could not be printed, so that Python does not try it again when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
