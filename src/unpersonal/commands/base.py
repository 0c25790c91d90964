"""What all commands share: their ends and exit codes, common options, one JSON document on stdout."""

from __future__ import annotations

import inspect
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from ..core.extras import extras_named
from ..core.telling import shown
from ..core.terminal import check_working_directory, silence
from ..core.verbosity import DEBUG, QUIET, VERBOSE, quiet, set_verbosity, verbosity
from .ends import End, end_of

JsonFlag = Annotated[bool, typer.Option("--json", help="Print machine-readable results on stdout.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")]
VerboseFlag = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        show_default=False,
        metavar="",
        help="Say on stderr what is done, how long it takes and where files are; -vv: for debugging.",
    ),
]


@dataclass
class Asked:
    """What stood before the command, whether `--json` was typed anywhere, and the documents that it has to show."""

    typed: bool = False
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    documents: list[Any] = field(default_factory=list)


ASKED = Asked()


def ask(*, as_json: bool = False, quiet: bool = False, verbose: int = 0) -> None:
    """Begin anew, with the options that stand before the command."""
    ASKED.json, ASKED.quiet, ASKED.verbose = as_json, quiet, verbose
    ASKED.documents.clear()


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--quiet` and `--verbose`, and turn each of its ends into an exit code and one message."""

    @wraps(command)
    def run(*args: Any, quiet: bool = False, verbose: int = 0, **kwargs: Any) -> None:
        if "as_json" in names:
            kwargs["as_json"] = as_json = kwargs.get("as_json", False) or ASKED.json
        else:
            as_json = False
        ASKED.documents.clear()
        try:
            with _told(command.__name__, quiet, verbose), extras_named(), shown():
                check_working_directory()
                command(*args, **kwargs)
            _print_document(None, as_json)
        except (typer.Exit, typer.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise typer.Exit(_ended(error, as_json)) from None

    signature = inspect.signature(command, eval_str=True)
    names = signature.parameters
    # Typer knows no `**`
    fixed = [value for value in names.values() if value.kind is not value.VAR_KEYWORD]
    for name, annotation, default in (("quiet", QuietFlag, False), ("verbose", VerboseFlag, 0)):
        kind = inspect.Parameter.KEYWORD_ONLY
        fixed.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    run.__signature__ = signature.replace(parameters=fixed)  # type: ignore[attr-defined]
    return run


@contextmanager
def _told(name: str, less: bool, more: int) -> Iterator[None]:
    """Say as much as was asked for, before or behind the command; then what is done, and how long it took."""
    less, more = less or ASKED.quiet, more + ASKED.verbose
    set_verbosity(QUIET if less else more)
    if less and more:
        raise InputError("A command cannot be quiet and verbose", where="--quiet", how="leave one of them out")
    if verbosity() < VERBOSE:
        yield
        return
    from .. import __version__
    from ..core.progress import tell

    started = time.monotonic()
    tell(f"unpersonal {__version__}: {name.removesuffix('_command').replace('_', '-')}")
    try:
        yield
    finally:
        tell(f"{time.monotonic() - started:.1f} s")


def _ended(error: BaseException, as_json: bool) -> int:
    """Tell how a command ended that raised `error`, on stderr and as JSON; returns the exit code."""
    end = end_of(error, trace=verbosity() >= DEBUG)
    with suppress(OSError):
        for line in end.lines:
            typer.echo(line, err=True)
    try:
        _print_document(end, as_json)
    except OSError:
        silence()
    if isinstance(error, OSError) and error.filename is None:
        silence()
    return end.code


def _print_document(end: End | None, as_json: bool) -> None:
    """Print the one document of a command: what it showed, with `error` beside it where it ended without success."""
    shown = list(ASKED.documents)
    ASKED.documents.clear()
    if end is not None and as_json and os.environ.get("RANK", "0") == "0":
        shown = [{**(shown[-1] if shown else {}), "error": end.to_json()}]
    for document in shown:
        print_json(document)


def print_json(document: Any) -> None:
    """Print a value as JSON on stdout, now."""
    typer.echo(json.dumps(document, indent=2, sort_keys=True, allow_nan=False))


def show(value: Any) -> None:
    """Keep `value`, the document of a command: it is printed as JSON on stdout when the command ends."""
    json.dumps(value, allow_nan=False)
    ASKED.documents.append(value)


def say(text: str) -> None:
    """Print on stdout what a person wants to know beside the result; nothing where the command is quiet."""
    if not quiet():
        typer.echo(text)
