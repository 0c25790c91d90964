"""How commands end without success: the exit code, what is told on stderr, and the same as JSON."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any

from ..core.errors import InputError, PolicyRefused
from ..core.terminal import BROKEN_PIPE, WRONG_INPUT, refusal, silence

DONE, BUG, REFUSED, INTERRUPTED = 0, 1, 3, 130
CODES = {
    DONE: "done",
    WRONG_INPUT: "the command line, the input or the configuration is wrong, or a place cannot be read or written",
    REFUSED: "the policy, or what is asked about, does not pass",
    BUG: "an unexpected error: a bug",
    INTERRUPTED: "interrupted (Ctrl-C); the same command goes on where it can",
    BROKEN_PIPE: "whoever read the output has gone",
}
"""Every exit code and what it says, of all commands."""
REFUSALS = {
    "demo": "the policy refuses the release",
    "run": "the policy refuses the release",
    "audit": "the verdict is not `pass`",
    "match": "some pictures would be refused",
    "verify": "the release is not what it claims to be, or was withdrawn",
    "export": "the release is not what it claims to be, or was withdrawn",
    "sign-off": "the policy refuses the release, whoever signs",
}
"""What exit code 3 says of each command; the others never end with it."""


def codes_of(command: str) -> dict[int, str]:
    """The exit codes with which a command can end, each with what it says; of all commands where the name is empty."""
    told = {code: meaning for code, meaning in CODES.items() if code != REFUSED or not command or command in REFUSALS}
    if command == "verify":
        told[DONE] = "intact, litter aside"
        told[WRONG_INPUT] = "altered, against the rules, or not to be read"
    if command in REFUSALS:
        told[REFUSED] = REFUSALS[command]
    return told


def epilog_of(command: str) -> str:
    """The exit codes for the end of a command's help."""
    return f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in codes_of(command).items())}."


@dataclass(frozen=True)
class End:
    """An end without success; `kind` is `input`, `refused`, `bug`, `interrupted` or `output`."""

    kind: str
    code: int
    what: str
    where: str = ""
    how: str = ""
    reasons: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    """What is told on stderr."""

    def to_json(self) -> dict[str, Any]:
        """What stands under `error` in a command's JSON."""
        told = {"kind": self.kind, "what": self.what, "where": self.where, "how": self.how}
        return {**told, "reasons": list(self.reasons), "exit_code": self.code}


def end_of(error: BaseException, *, trace: bool = False) -> End:
    """How a command ends that raised `error`; a bug's traceback goes to a file, or among the lines with `trace`."""
    if isinstance(error, InputError):
        return _wrong(error)
    if isinstance(error, PolicyRefused):
        lines = (f"unpersonal: {error.what}.", *(f"  - {reason}" for reason in error.reasons))
        return End("refused", REFUSED, error.what, reasons=tuple(error.reasons), lines=lines)
    if isinstance(error, KeyboardInterrupt):
        what = str(error) or "interrupted; the same command continues."
        return End("interrupted", INTERRUPTED, what, lines=(f"unpersonal: {what}",))
    if isinstance(error, BrokenPipeError):
        silence()
        return End("output", BROKEN_PIPE, "whoever read the output has gone")
    if isinstance(error, OSError) and (told := refusal(error)):
        return _wrong(told)
    return _bug(error, trace)


def _wrong(error: InputError) -> End:
    return End("input", WRONG_INPUT, error.what, error.where, error.how, lines=(f"unpersonal: {error}",))


def _bug(error: BaseException, trace: bool) -> End:
    """The message names the kind of error alone: what it says may name a person, and belongs in the file."""
    from traceback import format_exception

    whole = "".join(format_exception(error))
    place = None if trace else _written(whole)
    told = InputError(
        f"An unexpected error ({type(error).__name__}): this is a bug of unpersonal",
        where=f"the traceback is in {place}" if place else "the traceback above",
        how="report it; look first for names of people in the traceback",
    )
    lines = (*(() if place else (whole.rstrip(),)), f"unpersonal: {told}")
    return End("bug", BUG, told.what, told.where, told.how, lines=lines)


def _written(text: str) -> str | None:
    """Where a traceback was written, for its owner's eyes alone; None where it cannot be."""
    try:
        handle, name = tempfile.mkstemp(prefix="unpersonal-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return name
