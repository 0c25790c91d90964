"""The published schema: what the program writes keeps it, all of it is documented, and nothing else is let through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.release import evidence_schema as made
from unpersonal.core.registry import Plugin
from unpersonal.diffusion.figures import PrivacyFigures, StartFigures
from unpersonal.release.evidence import safe_evidence
from unpersonal.release.evidence_schema import MOST, SCHEMAS, VERSION, schema, schema_problems
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.published import build_evidence

Alter = Callable[..., StudyFigures]


@pytest.fixture
def evidence(figures: StudyFigures) -> dict[str, Any]:
    """What a release of the tests tells, through a file and back."""
    return json.loads(json.dumps(safe_evidence(build_evidence(figures, PolicyConfig(), ["one"]))))


def tables(value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The whole and every definition of a schema that has fields."""
    yield "", value
    yield from ((name, each) for name, each in value["$defs"].items() if "properties" in each)


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_schema_is_one_and_says_what_every_field_means(version: str) -> None:
    found = schema(version)
    Draft202012Validator.check_schema(found)
    assert (
        found["$schema"].endswith("2020-12/schema") and found["$id"].endswith(f"evidence-{version}") and found["title"]
    )
    for name, each in tables(found):
        assert each["description"].endswith("."), name
        assert each["additionalProperties"] is False, name
        for key, field in each["properties"].items():
            assert field["description"].strip().endswith("."), (name, key)


def test_the_schema_has_the_fields_of_the_figures_and_no_others() -> None:
    """After a figure was added: `python -m tests.release.evidence_schema`, and say what it means."""
    assert made.described(made.structure(1), schema("1")) == schema("1")


def test_the_page_has_the_sentence_of_every_field() -> None:
    assert made.PAGE.read_text(encoding="utf-8") == made.page(schema(VERSION))


def test_what_is_written_keeps_the_schema(evidence: dict[str, Any]) -> None:
    assert evidence["format_version"] == VERSION and schema_problems(evidence) == []


def test_so_does_what_is_there_only_sometimes(figures: StudyFigures, alter: Alter) -> None:
    start = StartFigures(source="x", sha256="ab" * 32, share=0.9, note="n", known_people=False)
    privacy = PrivacyFigures(epsilon=3.0, delta=1e-6, clip=1.0, noise_multiplier=1.1, sampling_rate=0.01, steps=900)
    rich = alter(figures, "diffusion", start=start, privacy=privacy)
    rich = replace(rich, plugins={"encode": (Plugin("codec", "theirs", "package", "1.5", "ab" * 32),)})
    wide = PolicyConfig(gate_miss_upper=1.0, may_be_blind=("mirror",))
    told = json.loads(json.dumps(safe_evidence(build_evidence(rich, wide, []))))
    assert "plugins" in told and "looser_than_default" in told["policy"] and schema_problems(told) == []


def test_evidence_of_before_is_held_against_the_schema_of_then(evidence: dict[str, Any]) -> None:
    evidence.pop("format_version")
    for row in evidence["synthesis"]["label_sets"]:
        del row["released"]
    assert schema_problems(evidence) == []
    assert schema_problems({**evidence, "more": 1}) == ["evidence.json: more: an unknown field"]


@pytest.mark.parametrize("version", ["2", "99", 1, None, ["1"], "one"])
def test_an_unknown_version_says_what_to_do(evidence: dict[str, Any], version: Any) -> None:
    found = schema_problems({**evidence, "format_version": version})
    assert len(found) == 1 and "newer version of unpersonal" in found[0] and repr(version) in found[0]


BREACHES = {
    "gate.secret": lambda e: e["gate"].update(secret=1.5),
    "audit.primary[0].more": lambda e: e["audit"]["primary"][0].update(more=1.5),
    "gate.miss_rate_upper": lambda e: e["gate"].pop("miss_rate_upper"),
    "utility.gap_upper": lambda e: e["utility"].update(gap_upper="0.01"),
    "audit.verdict": lambda e: e["audit"].update(verdict="passed"),
    "cohort.images": lambda e: e["cohort"].update(images=3),
    "policy": lambda e: e.pop("policy"),
    "gate": lambda e: e.update(gate=[]),
    "policy.gate_miss_upper": lambda e: e["policy"].update(gate_miss_upper=None),
    "shortfalls": lambda e: e.update(shortfalls={}),
}


@pytest.mark.parametrize(("field", "change"), BREACHES.items(), ids=BREACHES)
def test_a_breach_names_its_field(evidence: dict[str, Any], field: str, change: Callable[[Any], object]) -> None:
    change(evidence)
    found = schema_problems(evidence)
    assert len(found) == 1 and found[0].startswith(f"evidence.json: {field}: "), found


def test_many_breaches_are_counted_and_what_is_no_table_is_told(evidence: dict[str, Any]) -> None:
    found = schema_problems({**evidence, **{f"x{number}": 1 for number in range(MOST + 3)}})
    assert len(found) == MOST + 1 and "3 more fields" in found[-1]
    for value in (None, [], "x", 3):
        assert schema_problems(value) == ["evidence.json: no figures"]


def test_both_schemas_lie_in_the_package() -> None:
    """That the wheel has them is in tests/packaging."""
    assert {path.name for path in made.FOLDER.iterdir()} == set(SCHEMAS.values())
