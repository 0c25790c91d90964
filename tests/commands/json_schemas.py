"""The JSON schemas of what commands print, as the types of the program give them, and the page about them.

`python -m tests.commands.json_schemas` writes `commands/schemas/*.json` and docs/json.md anew after a key was added.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import unpersonal
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.reachable import Reach
from unpersonal.cohort.figures import DuplicateFigures
from unpersonal.cohort.inspect.understanding import Understanding
from unpersonal.commands.ends import CODES, codes_of
from unpersonal.commands.schema import VERSIONS
from unpersonal.metrics.figures import MetricFigures
from unpersonal.release.exporting import ExportFigures
from unpersonal.release.figures import StudyFigures
from unpersonal.report.summary import Outcome
from unpersonal.shards import ShardDone
from unpersonal.utility.compare import FolderFigures
from unpersonal.utility.matrix_figures import MatrixFigures

FOLDER = Path(unpersonal.__file__).parent / "commands" / "schemas"
PAGE = Path(__file__).parents[2] / "docs" / "json.md"
Json = dict[str, Any]
TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
COUNT: Json = {"type": "integer", "minimum": 0}
TRUTH: Json = {"type": "boolean"}
WORD: Json = {"enum": ["fresh", "stale", "missing"]}
ERROR: Json = {
    "description": "How the command ended without success; absent where the exit code is 0.",
    "type": "object",
    "properties": {
        "kind": {"enum": ["input", "refused", "bug", "interrupted", "output"]},
        "what": {**TEXT, "description": "What is wrong, in a sentence."},
        "where": {**TEXT, "description": "Where it was found; empty where that is no place."},
        "how": {**TEXT, "description": "How to mend it; empty where nobody knows."},
        "reasons": {"type": "array", "items": TEXT, "description": "Why the policy or a check refuses."},
        "exit_code": {"enum": [code for code in CODES if code]},
    },
    "required": ["kind", "what", "where", "how", "reasons", "exit_code"],
    "additionalProperties": False,
}


def array(items: Json) -> Json:
    return {"type": "array", "items": items}


def table(values: Json) -> Json:
    """A table whose keys are names."""
    return {"type": "object", "additionalProperties": values}


def keys(optional: tuple[str, ...] = (), **properties: Json) -> Json:
    """A table of these keys; later versions of the program may add others."""
    required = [key for key in properties if key not in optional]
    return {"type": "object", "properties": properties, "required": required}


def maybe(value: Json) -> Json:
    return {"anyOf": [value, {"type": "null"}]}


class Maker:
    """Definitions of classes, each once."""

    def __init__(self) -> None:
        self.found: Json = {}

    def of(self, kind: type) -> Json:
        """A reference to the definition of a class of figures, or of another dataclass."""
        name = kind.__name__.removesuffix("Figures")
        if name not in self.found:
            self.found[name] = {}
            self.found[name] = self.shape(kind)
        return {"$ref": f"#/$defs/{name}"}

    def shape(self, kind: type, *, drop: tuple[str, ...] = ()) -> Json:
        hints, properties, optional = get_type_hints(kind), {}, []
        for item in fields(kind):
            key = item.metadata.get("key", item.name)
            if item.metadata.get("unwritten") or key in drop:
                continue
            properties[key] = self.value(hints[item.name])
            if item.metadata.get("absent"):
                optional.append(key)
        return keys(tuple(optional), **properties)

    def value(self, hint: Any) -> Json:
        """What a value of this hint looks like in JSON."""
        arms = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        found = [self._arm(arm) for arm in arms]
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _arm(self, arm: Any) -> Json:
        origin = get_origin(arm)
        if is_dataclass(arm):
            return self.of(arm)  # type: ignore[arg-type]
        if origin is Literal:
            return {"enum": list(get_args(arm))}
        if origin in (tuple, list):
            return array(self.value(get_args(arm)[0]))
        if origin in (dict, Mapping):
            return table(self.value(get_args(arm)[1]))
        plain = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null", dict: "object"}
        return {"type": plain[arm]} if arm in plain else {}


def documents(make: Maker) -> dict[str, tuple[str, list[Json]]]:
    """What each command prints: a sentence, and the forms that its document has."""
    study = make.shape(StudyFigures)
    study["properties"]["metrics"] = make.of(MetricFigures)
    make.found["Utility"]["required"].remove("metrics")
    summary = keys(tuple(study["properties"]), seed=COUNT, seconds=table(NUMBER), release=make.of(Outcome))
    summary["properties"] |= study["properties"]
    plan = keys(stages=table(WORD), reasons=table(TEXT), training={"type": "object"})
    shard = make.shape(ShardDone)
    shard = keys(shard=TEXT, **shard["properties"])
    understood = make.shape(Understanding)
    understood["properties"]["size"] = {"type": "object"}
    understood["properties"]["duplicates"] = make.of(DuplicateFigures)
    prospect = keys(attacks=COUNT, reachable=array(make.of(Reach)), warning=TEXT)
    own = {"study": TEXT, "classes": array(TEXT), "colour": TRUTH, "audit": prospect}
    account = {key: COUNT for key in ("found", "read", "refused", "ignored")}
    side = keys(side=TEXT, **account)
    row = keys(("subject",), file=TEXT, refused=TRUTH, matcher=maybe(TEXT), stranger_rate=maybe(NUMBER))
    row["properties"]["subject"] = maybe(TEXT)
    profile = keys(**{"for": TEXT}, releasable=TRUTH)
    limit = keys(key=TEXT, value=NUMBER, published=NUMBER, meaning=TEXT)
    lists = {key: array(TEXT) for key in ("problems", "claims", "litter", "withdrawn", "unchecked")}
    need = keys(size=COUNT, networks={"type": "object"}, peak_bytes=NUMBER, memory_bytes=NUMBER, device=TEXT)
    export = make.shape(ExportFigures)
    return {
        "audit": ("The figures of the audit, as in OUT/audit.json.", [make.shape(AuditFigures)]),
        "demo": ("The figures of all stages, as in summary.json.", [summary]),
        "doctor": (
            "What this machine has, and what each preset that was named needs.",
            [
                keys(
                    unpersonal=TEXT,
                    python=TEXT,
                    system=TEXT,
                    packages=table(maybe(TEXT)),
                    extras=table(array(TEXT)),
                    cores=maybe(COUNT),
                    cores_usable=COUNT,
                    threads=table(TEXT),
                    memory_free_bytes=NUMBER,
                    disk=keys(folder=TEXT, free_bytes=NUMBER, writable=TRUTH),
                    devices=array(keys(name=TEXT, what=TEXT)),
                    presets=table(need),
                    problems=array(TEXT),
                )
            ],
        ),
        "error": ("What every command prints where it ends without success and has nothing else to show.", []),
        "export": ("What was written.", [keys(out=TEXT, **export["properties"])]),
        "init": ("What was understood of the images.", [keys(**{**understood["properties"], **own})]),
        "match": (
            "A row for every picture, and what was read.",
            [keys(images=COUNT, refused=COUNT, ignored=COUNT, by=table(COUNT), sides=array(side), rows=array(row))],
        ),
        "metrics": ("The metrics of two sets of images.", [make.shape(FolderFigures)]),
        "phantom": (
            "What was written, and the command that reads it.",
            [keys(path=TEXT, subjects=COUNT, files=COUNT, size=COUNT, seed=COUNT, read_it=TEXT)],
        ),
        "policy": (
            "The limits of a study or of a published profile.",
            [
                keys(
                    study=maybe(TEXT),
                    profile=TEXT,
                    own_profile=TEXT,
                    **{"for": TEXT},
                    releasable=TRUTH,
                    limits=array(limit),
                    may_be_blind=array(TEXT),
                    plugins=array(TEXT),
                    looser_than_published=table(TEXT),
                    refused=array(TEXT),
                    profiles=table(profile),
                )
            ],
        ),
        "review": (
            "What was decided when the page was closed.",
            [keys(study=TEXT, images=COUNT, decided=COUNT, removed=COUNT, ledger=TEXT)],
        ),
        "run": (
            "The figures of all stages, as in summary.json; the plan with --dry-run; what was made with --shard.",
            [summary, plan, shard],
        ),
        "schema": (
            "A schema; the list of all where none is named.",
            [
                keys(schemas=table(keys(id=TEXT, title=TEXT))),
                {"type": "object", "required": ["$schema", "$id"]},
            ],
        ),
        "sign-off": ("What was signed.", [keys(study=TEXT, name=TEXT, role=TEXT, note=TEXT, signed=TEXT, at=TEXT)]),
        "status": (
            "The state of every stage by its name. Why one is stale: `run --dry-run --json`.",
            [{"type": "object", "additionalProperties": WORD, "minProperties": 1}],
        ),
        "utility": ("What classifiers that learn from each data set reach on others.", [make.shape(MatrixFigures)]),
        "verify": (
            "What was found of a release.",
            [
                keys(
                    release=TEXT,
                    state=TEXT,
                    **account,
                    **lists,
                    signature=TEXT,
                )
            ],
        ),
        "withdraw": (
            "The notice that was written.",
            [keys(notice=TEXT, signed=TRUTH, reason=TEXT, manifest_sha256=TEXT)],
        ),
    }


def schemas() -> dict[str, Json]:
    """The schema of each command's document."""
    make = Maker()
    found = {}
    for name, (sentence, forms) in documents(make).items():
        version = VERSIONS[name]
        alone = {"type": "object", "properties": {"error": {"$ref": "#/$defs/Error"}}, "required": ["error"]}
        error = {"error": {"$ref": "#/$defs/Error"}}
        either = [{**form, "properties": {**form.get("properties", {}), **error}} for form in forms]
        either.append({**alone, "maxProperties": 1})
        defs = {"Error": ERROR}
        _add_used(either, make.found, defs)
        found[name] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:unpersonal:schema:{name}-{version}",
            "title": f"unpersonal {name} --json, version {version}" if forms else f"An error, version {version}",
            "description": sentence,
            **(either[0] if len(either) == 1 else {"anyOf": either}),
            "$defs": dict(sorted(defs.items())),
        }
    return found


def _add_used(part: Any, known: Json, used: Json) -> None:
    """Add to `used` the definitions that a part of a schema names, and those that they name."""
    if isinstance(part, list):
        for item in part:
            _add_used(item, known, used)
    elif isinstance(part, dict):
        name = str(part.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in used:
            used[name] = known[name]
            _add_used(known[name], known, used)
        for item in part.values():
            _add_used(item, known, used)


def text_of(schema: Json) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def file_of(name: str) -> Path:
    return FOLDER / f"{name}-{VERSIONS[name]}.json"


HEAD = """# JSON output

Every command takes `--json`. It prints exactly one JSON document on stdout then, also where it fails; progress and
notes go to stderr. `unpersonal schema COMMAND` prints the JSON Schema (draft 2020-12) of that document,
`unpersonal schema` their list, `unpersonal schema evidence` that of a release's `evidence.json`.

```sh
unpersonal verify release --json | jq -r '.error.what // .state'
```

A schema has a version, the number at the end of its `$id`. A key that is added leaves the version as it is, so read
documents by the keys that you know. A key that is renamed, is taken away or changes its meaning raises it.

## Errors

Where the exit code is not 0 the document has a key `error`, beside the results or alone:

| key of `error` | |
|---|---|
| `kind` | `input`, `refused`, `bug`, `interrupted` or `output` |
| `what`, `where`, `how` | what is wrong, where it was found, how to mend it; the last two may be empty |
| `reasons` | why the policy or a check refuses; else empty |
| `exit_code` | as below |

| exit code | |
|---|---|
"""
COMMANDS = """
## Commands

| command | what it prints | keys | exit code 3 |
|---|---|---|---|
"""
TAIL = """
## How much is said

These stand before the command or behind it:

| | |
|---|---|
| `-q`, `--quiet` | results and errors alone: no progress, no notes, no hints. What only makes something says nothing |
| `-v`, `--verbose` | on stderr also what is done, how long it takes and where files are |
| `-vv` | also the traceback of an unexpected error, which otherwise goes to a file that only you can read |
| `NO_COLOR` | any value: no colours; it wins over `FORCE_COLOR` |
| `FORCE_COLOR` | any value but 0: colours in a pipe too |
| `TERM=dumb` | no escape codes and no moving bars |

Without a terminal there are no escape codes, and a line a minute instead of a bar.
"""


def page() -> str:
    """The page about all this."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in codes_of("").items())
    rows = []
    for name, (sentence, forms) in documents(Maker()).items():
        if not forms:
            continue
        shown = "; or ".join(", ".join(f"`{key}`" for key in form.get("properties", ())) or "names" for form in forms)
        rows.append(f"| `{name}` | {sentence} | {shown} | {codes_of(name).get(3, '')} |\n")
    return HEAD + codes + COMMANDS + "".join(rows) + TAIL


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, found in schemas().items():
        file_of(name).write_text(text_of(found), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0)
