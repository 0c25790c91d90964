"""A page for each table of study.toml: every key with its type, its default and its description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from tables import cell, code, first_sentence, table

from unpersonal.study import StudyConfig

HEAD = """# Every key of study.toml

`study.toml` is the only file of a study that a person edits. `unpersonal init` writes it with the meaning of each key
beside it; a key that is left out has its default, and a key that nobody knows is refused.

"""


def tables() -> dict[str, type[BaseModel]]:
    """Table by name, in the order in which they stand in the file."""
    return {name: kind for name, info in StudyConfig.model_fields.items() if (kind := inner(info.annotation))}


def inner(annotation: Any) -> type[BaseModel] | None:
    """The class of a table; None where a key holds a plain value."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def pages() -> dict[str, tuple[str, str]]:
    """File name to title and text."""
    rows = [[f"[`[{name}]`]({name}.md)", cell(first_sentence(kind.__doc__))] for name, kind in tables().items()]
    top = [row(key, StudyConfig) for key in StudyConfig.model_fields if key not in tables()]
    text = HEAD + table(["table", "what it holds"], rows) + "\n## Keys above all tables\n\n" + keys_of(top)
    below = {f"{name}.md": (f"[{name}]", f"# [{name}]\n\n" + section(name, kind)) for name, kind in tables().items()}
    return {"index.md": ("All tables", text), **below}


def section(name: str, kind: type[BaseModel]) -> str:
    """A table and those inside it."""
    plain = [key for key, info in kind.model_fields.items() if inner(info.annotation) is None]
    text = " ".join((kind.__doc__ or "").split()) + "\n\n" + keys_of([row(key, kind) for key in plain])
    for key, info in kind.model_fields.items():
        if below := inner(info.annotation):
            text += f"\n## [{name}.{key}]\n\n" + section(f"{name}.{key}", below)
    return text


def keys_of(rows: list[list[str]]) -> str:
    return table(["key", "type", "default", "meaning"], rows)


def row(key: str, kind: type[BaseModel]) -> list[str]:
    """A key: what it takes, what it is where it is left out, and what it means."""
    info = kind.model_fields[key]
    schema = kind.model_json_schema()
    taken = cell(in_words(schema["properties"][key], schema.get("$defs", {})))
    default = "required" if info.is_required() else value(info.get_default(call_default_factory=True))
    return [code(key), taken, default, cell(info.description or "")]


def value(found: Any) -> str:
    """A default as it would be written in the file."""
    if found is None:
        return "not set"
    if isinstance(found, bool):
        return code(str(found).lower())
    if isinstance(found, tuple | list | frozenset | set):
        shown = ", ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in found)
        return code(f"[{shown}]") if len(shown) <= 120 else f"{len(found)} names, see study.toml"
    if isinstance(found, dict):
        return code("{}") if not found else code(str(found))
    return code(f'"{found}"') if isinstance(found, str) else code(str(found))


BOUNDS = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "table"}


def in_words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A type of JSON Schema as a person says it."""
    if "$ref" in schema:
        return in_words(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        return " or ".join(
            dict.fromkeys(in_words(each, definitions) for each in schema["anyOf"] if each.get("type") != "null")
        )
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{each}`" for each in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        items = schema.get("items") or next(iter(schema.get("prefixItems", [])), {})
        many = f"{schema['minItems']} × " if schema.get("minItems") == schema.get("maxItems", -1) else "list of "
        return many + in_words(items, definitions) if items else "list"
    bounds = " ".join(said.format(f"{schema[key]:g}") for key, said in BOUNDS.items() if key in schema)
    return f"{WORDS.get(schema.get('type', ''), 'any value')} {bounds}".strip()
