"""What a command does where its terminal, its output or its working directory is not as usual."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    told = refusal(error)
    if told is None:
        raise error
    if error.filename is None:
        silence()
    with suppress(OSError):
        print(f"unpersonal: {told}", file=sys.stderr, flush=True)
    return WRONG_INPUT


def refusal(error: OSError) -> InputError | None:
    """What a person can do about what the system refused; None for an error that is a bug."""
    if error.errno not in PLACES | set(FULL):
        return None
    return InputError(
        f"The system refuses to read or write ({error.strerror})",
        where=os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output",
        how="check that the disk has space, and that you may read and write there",
    )


@contextmanager
def system_refused() -> Iterator[None]:
    """Turn what the system refuses to read or write into an `InputError`."""
    try:
        yield
    except OSError as error:
        told = refusal(error)
        if told is None:
            raise
        raise told from error


class _Warnings(logging.Handler):
    """Writes to what is stderr at the time, as Python does where nobody handles a warning."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            print(self.format(record), file=sys.stderr)


def show_warnings() -> None:
    """Let the warnings of the package be written to stderr; does nothing the second time."""
    logger = logging.getLogger("unpersonal")
    if not any(isinstance(handler, _Warnings) for handler in logger.handlers):
        logger.addHandler(_Warnings(logging.WARNING))


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
