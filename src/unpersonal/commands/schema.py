"""`unpersonal schema`: the JSON Schema of what a command prints with `--json`."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .base import JsonFlag, print_json, show

VERSIONS = {
    "audit": 1,
    "demo": 1,
    "doctor": 1,
    "error": 1,
    "export": 1,
    "init": 1,
    "match": 1,
    "metrics": 1,
    "phantom": 1,
    "policy": 1,
    "review": 1,
    "run": 1,
    "schema": 1,
    "sign-off": 1,
    "status": 1,
    "utility": 1,
    "verify": 1,
    "withdraw": 1,
}
"""The version of each command's schema; a key that is added leaves it, one that changes its meaning raises it."""
EVIDENCE = "evidence"
"""Whose schema belongs to the release."""


def schema(
    name: Annotated[str | None, typer.Argument(help="A command, `error` or `evidence`; absent: their list.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print the JSON Schema of what a command prints with --json, or of a release's evidence.json."""
    if name is not None:
        found = schema_of(name)
        show(found) if as_json else print_json(found)
        return
    known = {each: schema_of(each) for each in (*VERSIONS, EVIDENCE)}
    if as_json:
        show({"schemas": {each: {"id": found["$id"], "title": found["title"]} for each, found in known.items()}})
        return
    for each, found in known.items():
        typer.echo(f"{each:<12}{found['$id']}")


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a command's document; a name without one is an `InputError`."""
    if name == EVIDENCE:
        from ..release.evidence_schema import VERSION
        from ..release.evidence_schema import schema as evidence

        return evidence(VERSION)
    if name not in VERSIONS:
        how = f"use one of {', '.join((*VERSIONS, EVIDENCE))}"
        raise InputError(f"There is no schema {name!r}", where="NAME", how=how)
    text = (files("unpersonal.commands") / "schemas" / f"{name}-{VERSIONS[name]}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
