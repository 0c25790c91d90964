"""What all commands share: their ends and exit codes, common options, JSON on stdout."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from ..core.errors import InputError, PolicyRefused
from ..core.extras import extras_named
from ..core.telling import shown
from ..core.terminal import check_working_directory, exit_code

JsonFlag = Annotated[bool, typer.Option("--json", help="Print machine-readable results on stdout.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the two expected ends into their exit codes, with one readable message on stderr."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            check_working_directory()
            with extras_named(), shown():
                command(*args, **kwargs)
        except InputError as error:
            typer.echo(f"unpersonal: {error}", err=True)
            raise typer.Exit(2) from None
        except PolicyRefused as refusal:
            typer.echo(f"unpersonal: {refusal.what}.", err=True)
            for reason in refusal.reasons:
                typer.echo(f"  - {reason}", err=True)
            raise typer.Exit(3) from None
        except KeyboardInterrupt as interrupt:
            typer.echo(f"unpersonal: {str(interrupt) or 'interrupted; the same command continues.'}", err=True)
            raise typer.Exit(130) from None
        except OSError as error:
            raise typer.Exit(exit_code(error)) from None

    signature = inspect.signature(command, eval_str=True)
    fixed = [value for value in signature.parameters.values() if value.kind is not value.VAR_KEYWORD]
    # Typer knows no `**`
    run.__signature__ = signature.replace(parameters=fixed)  # type: ignore[attr-defined]
    return run


def show(value: Any) -> None:
    """Print `value` as JSON on stdout."""
    typer.echo(json.dumps(value, indent=2, sort_keys=True, allow_nan=False))
