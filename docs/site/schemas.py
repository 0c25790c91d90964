"""The JSON schemas that lie in the package, as files and in a list."""

from __future__ import annotations

import json
from pathlib import Path

from tables import cell, table

import unpersonal

HEAD = """# JSON schemas

What programs read is held to these schemas (JSON Schema, draft 2020-12). `evidence.json` is told field by field in
[evidence](../../evidence.md).

"""
FILES = sorted(Path(unpersonal.__file__).parent.rglob("schema*/*.json"))


def pages() -> dict[str, tuple[str, str]]:
    """File name to title and text."""
    rows = []
    for path in FILES:
        schema = json.loads(path.read_text(encoding="utf-8"))
        rows.append(
            [f"[`{path.name}`]({path.name})", cell(schema.get("title", "")), cell(schema.get("description", ""))]
        )
    return {"index.md": ("JSON schemas", HEAD + table(["schema", "title", "what it describes"], rows))}
