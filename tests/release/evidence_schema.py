"""The structure of evidence.json as the figures of the program give it, for the schema that is published.

`python -m tests.release.evidence_schema` writes `release/schema/evidence-1.json` and docs/evidence.md anew after a
figure was added; what each field means stays as it stands in the schema, and is left empty for new ones.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import unpersonal
from unpersonal.audit.figures import AuditFigures
from unpersonal.cohort.figures import CohortFigures
from unpersonal.core.figures import Figures
from unpersonal.core.registry import Plugin
from unpersonal.diffusion.figures import DiffusionFigures, PrivacyFigures, StartFigures
from unpersonal.judges.figures import GateFigures
from unpersonal.metrics.figures import MetricFigures
from unpersonal.release.evidence import FORBIDDEN, PARAMETERS, TOTALS_ONLY, key_words
from unpersonal.release.figures import SignedOff
from unpersonal.release.place import Place
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.published import DIFFUSION
from unpersonal.synthesis.figures import LabelSetFigures, SynthesisFigures
from unpersonal.utility.figures import UtilityFigures

FOLDER = Path(unpersonal.__file__).parent / "release" / "schema"
PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
Json = dict[str, Any]
BASIC: Json = {
    "count": {"anyOf": [{"type": "integer", "minimum": 5}, {"enum": ["<5", "withheld"]}]},
    "number": {"anyOf": [{"type": "number"}, {"enum": ["<5", "withheld"]}]},
    "setting": {"type": "string", "pattern": "^[0-9]+$"},
    "text": {"type": ["string", "null"]},
}
"""What values may be, whatever their field."""


class Maker:
    """Definitions of classes of figures, each once."""

    def __init__(self) -> None:
        self.found: Json = {}

    def of(self, kind: type[Figures], *, drop: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> Json:
        """A reference to the definition of a class of figures."""
        name = kind.__name__.removesuffix("Figures")
        if name not in self.found:
            self.found[name] = {}
            hints, properties, required = get_type_hints(kind), {}, []
            for item in fields(kind):
                key = item.metadata.get("key", item.name)
                if item.metadata.get("unwritten") or key in drop or (only and key not in only):
                    continue
                if key_words(key) & FORBIDDEN or (key_words(key) & TOTALS_ONLY and _is_table(hints[item.name])):
                    continue
                properties[key] = self.value(hints[item.name], key)
                if not item.metadata.get("absent"):
                    required.append(key)
            self.found[name] = table(properties, required)
        return {"$ref": f"#/$defs/{name}"}

    def value(self, hint: Any, key: str) -> Json:
        """What a value of this hint looks like in evidence."""
        arms = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if int in arms:
            arms = tuple(arm for arm in arms if arm is not str)
        found = [self._arm(arm, key) for arm in arms if arm is not NoneType]
        if NoneType in arms and found != [{"$ref": "#/$defs/text"}]:
            found.append({"type": "null"})
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _arm(self, arm: Any, key: str) -> Json:
        origin = get_origin(arm)
        if isinstance(arm, type) and issubclass(arm, Figures):
            return self.of(arm)
        if origin is Literal:
            return {"enum": list(get_args(arm))}
        if origin is tuple:
            kinds = get_args(arm)
            found: Json = {"type": "array", "items": self.value(kinds[0], key)}
            return found if kinds[-1] is Ellipsis else {**found, "minItems": len(kinds), "maxItems": len(kinds)}
        if origin is not None:
            return {"type": "object", "additionalProperties": self.value(get_args(arm)[1], "")}
        plain = {int: "setting" if key in PARAMETERS else "count", float: "number", str: "text"}
        return {"type": "boolean"} if arm is bool else {"$ref": f"#/$defs/{plain[arm]}"}


def _is_table(hint: Any) -> bool:
    return get_origin(hint) in (dict, tuple)


def table(properties: Json, required: list[str]) -> Json:
    """A table that has no other fields."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def array(items: Json) -> Json:
    return {"type": "array", "items": items}


def structure(version: int) -> Json:
    """The schema without what its fields mean; version 0 is that of evidence that names none."""
    maker = Maker()
    text, limit = ref("text"), {"type": "number"}
    hints = get_type_hints(DiffusionFigures)
    start = get_type_hints(StartFigures)
    told = {key: maker.value(hints[key], key) for key in DIFFUSION}
    optional = {item.name for item in fields(DiffusionFigures) if item.metadata.get("absent")}
    started = ("sha256", "share", "known_people", "note", "invented", "invented_images")
    policy = {"profile": {"enum": ["open", "agreement", "internal"]}}
    lists = ("may_be_blind", "plugins")
    policy |= {key: limit for key in PolicyConfig.model_fields if key not in (*policy, *lists, "sign_off")}
    policy |= {key: array({"type": "string"}) for key in (*lists, "blind_beyond_default", "looser_than_default")}
    policy["sign_off"] = {"const": True}
    few = ("blind_beyond_default", "looser_than_default", "plugins", "sign_off", "max_releases")
    elsewhere = table({"sha256": {"type": ["string", "null"]}, "known_people": {"const": False}, "note": text}, [])
    elsewhere["required"] = list(elsewhere["properties"])
    maker.found |= {
        "Pretrained": elsewhere,
        "Codec": table({"codec": text, "pretrained": ref("Pretrained")}, ["codec", "pretrained"]),
        "TextEncoder": table({"text_encoder": text, "pretrained": ref("Pretrained")}, ["text_encoder", "pretrained"]),
        "Start": table(
            {key: maker.value(start[key], key) for key in started}, ["sha256", "share", "known_people", "note"]
        ),
        "Policy": table(policy, [key for key in policy if key not in few]),
    }
    told |= {"privacy": maker.of(PrivacyFigures), "start": ref("Start")}
    maker.found["Diffusion"] = table(told, [key for key in DIFFUSION if key not in optional])
    maker.of(LabelSetFigures, drop=() if version else ("released",))
    maker.found["LabelSet"]["required"] = ["labels", "planned"]
    top = {
        "cohort": maker.of(CohortFigures),
        "encode": ref("Codec"),
        "features": ref("TextEncoder"),
        "diffusion": ref("Diffusion"),
        "gate": maker.of(GateFigures),
        "synthesis": maker.of(SynthesisFigures),
        "audit": maker.of(AuditFigures),
        "utility": maker.of(UtilityFigures, drop=("metrics",)),
        "metrics": maker.of(MetricFigures),
        "plugins": array(maker.of(Plugin)),
        **({"history": maker.of(Place)} if version else {}),
        "policy": ref("Policy"),
        "shortfalls": array(text),
        "sign_off": maker.of(SignedOff),
    }
    must = ["gate", "synthesis", "audit", "utility", "metrics", "diffusion", "policy", "shortfalls"]
    if version:
        before = {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
        maker.found["Place"]["properties"]["predecessor"] = before
        top, must = {"format_version": {"const": str(version)}, **top}, ["format_version", "cohort", *must]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:unpersonal:schema:evidence-{version}",
        **table(top, must),
        "$defs": {**BASIC, **{name: maker.found[name] for name in sorted(maker.found)}},
    }


def described(wanted: Json, known: Json) -> Json:
    """`wanted` with the titles and descriptions of `known`; empty where that has none."""
    whole = {"title": known.get("title", ""), "description": known.get("description", "")}
    properties = known.get("properties", {})
    made = {
        key: {"description": properties.get(key, {}).get("description", ""), **value}
        for key, value in wanted.get("properties", {}).items()
    }
    return {
        **{key: value for key, value in wanted.items() if key.startswith("$") and key != "$defs"},
        **(whole if "$id" in wanted else {"description": whole["description"]}),
        **{key: value for key, value in wanted.items() if not key.startswith("$") and key != "properties"},
        **({"properties": made} if "properties" in wanted else {}),
        **(
            {"$defs": {k: described(v, known.get("$defs", {}).get(k, {})) for k, v in wanted["$defs"].items()}}
            if "$defs" in wanted
            else {}
        ),
    }


def read(version: int) -> Json:
    """The published schema."""
    path = FOLDER / f"evidence-{version}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


HEAD = """# `evidence.json`, field by field

The figures that come with a release: aggregates, no person. The schema
[`evidence-1.json`](../src/unpersonal/release/schema/evidence-1.json) (JSON Schema, draft 2020-12) lies in the package,
and `unpersonal verify` holds every release against it; a field that it does not have is refused. Evidence without
`format_version` is older and is held against `evidence-0.json`. This page is made of the schema by
`python -m tests.release.evidence_schema`.

Values: a *count* is a whole number from 5; `<5` stands for a smaller one, and `withheld` for one from which such a
count could be computed, or for a figure of fewer than five people. A *setting* is a whole number that counts no people,
written as text. A *number* may be masked likewise. A *text* is `null` where it would name a file. `?` marks fields that
are not always there.
"""


def kind_of(value: Json) -> str:
    """A type in words, with a link to the table that it is."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return name if name in BASIC else f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return ", or ".join(kind_of(each) for each in value["anyOf"])
    if "enum" in value:
        return ", ".join("null" if each is None else f"`{each}`" for each in value["enum"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if value["type"] == "array":
        return (
            f"{value['minItems']} × {kind_of(value['items'])}"
            if "minItems" in value
            else f"list of {kind_of(value['items'])}"
        )
    if value["type"] == "object":
        return f"by name: {kind_of(value['additionalProperties'])}"
    return (
        " or ".join(value["type"])
        if isinstance(value["type"], list)
        else {"string": "text"}.get(value["type"], value["type"])
    )


def section(name: str, value: Json) -> str:
    """A table of the page: its fields, a line each."""
    rows = [f"## {name}", "", value["description"], "", "| field | value | meaning |", "|---|---|---|"]
    for key, field in value["properties"].items():
        mark = "" if key in value["required"] else " ?"
        rows.append(f"| `{key}`{mark} | {kind_of(field)} | {field['description']} |")
    return "\n".join(rows) + "\n"


def page(schema: Json) -> str:
    """docs/evidence.md."""
    parts = {name: value for name, value in schema["$defs"].items() if name not in BASIC}
    return "\n".join([HEAD, section("The whole", schema), *(section(name, value) for name, value in parts.items())])


def main(version: int) -> None:
    """Write the schema of a version, and the page of the newest."""
    made = described(structure(version), read(version) or read(1))
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    (FOLDER / f"evidence-{version}.json").write_text(text, encoding="utf-8")
    if version:
        PAGE.write_text(page(made), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
