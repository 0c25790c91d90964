"""The published schemas of evidence.json, and what evidence does that its schema does not allow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

WHERE = "evidence.json"
VERSION = "1"
"""The version that is written now, in the field `format_version`; evidence without that field is of version 0."""
SCHEMAS = {"0": "evidence-0.json", VERSION: "evidence-1.json"}
MOST = 8
"""Breaches that are told; the others are counted."""


@cache
def schema(version: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a version of `SCHEMAS`."""
    text = (files("unpersonal.release") / "schema" / SCHEMAS[version]).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def version_of(evidence: Mapping[str, Any]) -> object:
    """The version that evidence names, `0` where it names none; not yet believed."""
    return evidence.get("format_version", "0")


def schema_problems(evidence: object) -> list[str]:
    """Where parsed evidence is not what the schema of its version says; each names the field.

    A version that is not known here is one problem, which says what to do.
    """
    if not isinstance(evidence, Mapping):
        return [f"{WHERE}: no figures"]
    version = version_of(evidence)
    if not isinstance(version, str) or version not in SCHEMAS:
        known = ", ".join(SCHEMAS)
        return [
            f"{WHERE}: format_version {version!r} is not known here (known: {known}): verify it with a newer version of"
            " unpersonal, or get the release anew"
        ]
    from jsonschema import Draft202012Validator

    found = sorted(Draft202012Validator(schema(version)).iter_errors(evidence), key=lambda error: error.json_path)
    told = [problem for error in found for problem in _told(error)]
    more = [f"{WHERE}: {len(told) - MOST} more fields are not as {SCHEMAS[version]} says"] if len(told) > MOST else []
    return told[:MOST] + more


def _told(error: Any) -> Iterable[str]:
    """One breach in words, told where it is; unknown and missing fields each by its own name."""
    # of several things that a value may be, one that is a table or a list is told by what is wrong inside
    inside = [each for each in error.context or () if each.validator not in ("type", "enum", "minimum")]
    if inside:
        return _told(inside[0])
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in error.absolute_path).removeprefix(".")
    if error.validator == "additionalProperties" and error.validator_value is False:
        known = error.schema["properties"]
        return [f"{WHERE}: {_join(place, name)}: an unknown field" for name in error.instance if name not in known]
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        # one error for each missing field: the message begins with its name
        name = next((name for name in missing if error.message.startswith(repr(name))), missing[0])
        return [f"{WHERE}: {_join(place, name)}: missing"]
    return [f"{WHERE}: {place or 'the whole'}: {error.instance!r:.60} is not what the schema allows there"]


def _join(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)
