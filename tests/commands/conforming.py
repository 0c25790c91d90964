"""Whether what a command printed is one JSON document, as its published schema says."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from unpersonal.commands.schema import schema_of


def conforms(command: str, printed: str, *, code: int = 0) -> dict[str, Any]:
    """The document that a command printed and ended with `code`; the schema of the command and of errors hold."""
    document: dict[str, Any] = json.loads(printed)
    Draft202012Validator(schema_of(command)).validate(document)
    assert ("error" in document) == (code != 0)
    if code:
        assert document["error"]["exit_code"] == code and document["error"]["what"]
        Draft202012Validator(schema_of("error")).validate({"error": document["error"]})
    return document
