"""What a command does where its terminal, its output or its working directory is not as usual."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .files import FULL
from .places import PLACES
from .verbosity import quiet

if TYPE_CHECKING:
    from rich.console import Console

BROKEN_PIPE = 141
"""Exit code of a command whose reader has gone, as of one that SIGPIPE ends (128 + 13)."""
WRONG_INPUT = 2


def prepare_streams() -> None:
    """Letters that a terminal cannot show, or that are no UTF-8 in a file's name, are written as escapes.

    A stdout that was closed is an `InputError`: results would be lost, and a file that is opened would take its place.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    if sys.stdout is None:
        raise InputError(
            "The output is closed, so that no result could be told",
            where="standard output",
            how="give the command with a standard output, /dev/null for instance",
        )
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


def dumb() -> bool:
    """Whether the terminal knows no escape codes."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def colourless() -> bool:
    """Whether nothing may be coloured: `NO_COLOR` (no-color.org) before `FORCE_COLOR`, and a dumb terminal."""
    return bool(os.environ.get("NO_COLOR")) or dumb()


def forced() -> bool:
    """Whether `FORCE_COLOR` asks for colours, in a pipe too."""
    return os.environ.get("FORCE_COLOR", "0") not in ("", "0", "false") and not colourless()


def console(*, stderr: bool = False) -> Console:
    """What tables and notes for people are printed with; a reader that has gone is a `BrokenPipeError`, as of `print`.

    rich itself would end the process with exit code 1. Nothing is printed on stderr where the command is quiet, and no
    escape code where `NO_COLOR` or the terminal forbids it.
    """
    from rich.console import Console

    class Plain(Console):
        @property
        def is_terminal(self) -> bool:
            return forced() or is_shown(self.file)

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

        def print(self, *objects: Any, **how: Any) -> None:
            if not (stderr and quiet()):
                super().print(*objects, **how)

    return Plain(stderr=stderr, highlight=False, color_system=None if colourless() else "auto")


def is_shown(file: Any) -> bool:
    """Whether a stream is a terminal."""
    try:
        return bool(file.isatty())
    except (AttributeError, ValueError):
        return False


def settle_help() -> None:
    """Let the help and the errors of Typer obey the same variables, and end as `console` where nobody reads on.

    For itself it heeds variables of services too.
    """
    from rich.console import Console
    from typer import rich_utils

    class Told(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    rich_utils.Console = Told  # type: ignore[misc]
    rich_utils.COLOR_SYSTEM = None if colourless() else "auto"
    rich_utils.FORCE_TERMINAL = True if forced() else None


def refusal(error: OSError) -> InputError | None:
    """What the system refused to read or write, in words; None for an error that is a bug."""
    if error.errno not in PLACES | set(FULL):
        return None
    return InputError(
        f"The system refuses to read or write ({error.strerror})",
        where=os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output",
        how="check that the disk has space, and that you may read and write there",
    )


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
