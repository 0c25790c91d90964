"""The published schemas and the page about them are those of the program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from tests.commands.json_schemas import FOLDER, PAGE, file_of, page, schemas, text_of
from unpersonal.cli import app
from unpersonal.commands.schema import EVIDENCE, VERSIONS

DATA = Path(__file__).parents[1] / "data"


def run(*words: str):
    return CliRunner().invoke(app, ["schema", *words])


def test_the_published_schemas_and_their_page_are_those_of_the_program() -> None:
    """`python -m tests.commands.json_schemas` writes them."""
    found = schemas()
    assert set(found) == set(VERSIONS)
    assert {path.name for path in FOLDER.iterdir()} == {file_of(name).name for name in VERSIONS}
    for name, schema in found.items():
        Draft202012Validator.check_schema(schema)
        assert file_of(name).read_text(encoding="utf-8") == text_of(schema), name
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_command_has_a_schema_and_the_page_names_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        assert name in VERSIONS and f"| `{name}` |" in text


@pytest.mark.parametrize("name", [*VERSIONS, EVIDENCE])
def test_a_schema_is_printed(name: str) -> None:
    printed = run(name).stdout
    assert json.loads(printed)["$id"].startswith(f"urn:unpersonal:schema:{name}-")
    assert json.loads(run(name, "--json").stdout) == conforms("schema", printed)


def test_the_list_is_printed_and_another_name_is_refused() -> None:
    assert set(conforms("schema", run("--json").stdout)["schemas"]) == {*VERSIONS, EVIDENCE}
    assert "urn:unpersonal:schema:verify-1" in run().stdout
    done = run("nothing", "--json")
    assert done.exit_code == 2 and "verify" in conforms("schema", done.stdout, code=2)["error"]["how"]


def test_the_summary_of_a_finished_study_is_as_the_schema_of_run_says() -> None:
    text = (DATA / "demo_summary.json").read_text(encoding="utf-8")
    conforms("run", text)
    conforms("demo", text)
    wrong = json.loads(text)
    wrong["release"]["released"] = "yes"
    with pytest.raises(Exception, match="not valid under any"):
        conforms("run", json.dumps(wrong))
