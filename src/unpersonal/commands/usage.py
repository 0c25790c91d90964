"""What stands around every command: exit codes in its help, and what was mistyped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..core.terminal import BROKEN_PIPE, WRONG_INPUT, settle_help, silence
from .base import ASKED, print_json
from .ends import End, epilog_of


def with_codes(command: Any, name: str) -> Any:
    """A command of Typer, with its exit codes at the end of its help."""
    codes = epilog_of(name)
    if codes not in (command.epilog or ""):
        command.epilog = "\n\n".join(filter(None, (command.epilog, codes)))
    return command


@contextmanager
def usage_errors_told() -> Iterator[None]:
    """Where a command line cannot be understood and JSON was asked for, print that as the one document."""
    try:
        yield
    except BrokenPipeError:
        silence()
        raise SystemExit(BROKEN_PIPE) from None
    # Typer has its errors from Click or from a copy of it: what they are is known by what they can
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        settle_help()
        if ASKED.typed:
            ASKED.typed = False
            with suppress(OSError):
                print_json({"error": _end(error).to_json()})
        raise


def _end(error: Any) -> End:
    command = getattr(getattr(error, "ctx", None), "command_path", "unpersonal")
    said = "Missing command" if type(error).__name__ == "NoArgsIsHelpError" else error.format_message()
    return End("input", WRONG_INPUT, said, where=command, how=f"see `{command} --help`")
