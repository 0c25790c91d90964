import os

import pytest
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from unpersonal.cli import app
from unpersonal.commands.doctor import examine, problems_of, told
from unpersonal.core.errors import InputError
from unpersonal.core.extras import EXTRAS
from unpersonal.planning import training_needs
from unpersonal.study import Study


def ran(*arguments):
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def test_what_the_machine_has_is_told(tmp_path):
    found = conforms("doctor", ran(tmp_path, "--json").stdout)
    assert found["cores_usable"] == len(os.sched_getaffinity(0))
    assert found["disk"] == {**found["disk"], "folder": str(tmp_path.resolve()), "writable": True}
    assert set(found["extras"]) == set(EXTRAS) and found["extras"]["train"] == [] == found["problems"]
    assert "problem: none found" in ran(tmp_path).stdout


def test_a_preset_needs_what_a_dry_run_of_its_study_says(tmp_path):
    study, images = tmp_path / "study", tmp_path / "images"
    for words in (
        ["phantom", images, "--subjects", "120"],
        [
            "init",
            study,
            "--images",
            images,
            "--preset",
            "tiny",
            "--subject",
            r"(?P<subject>sub-\d+)",
            "--label-from",
            "folder",
        ],
    ):
        assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    needs = training_needs(Study.open(study))["networks"]
    found = examine(tmp_path, ("tiny",))["presets"]["tiny"]["networks"]
    assert {name: each["steps"] for name, each in found.items()} == {
        name: each["steps"] for name, each in needs.items()
    }


def test_what_is_in_the_way_is_a_problem(tmp_path, monkeypatch):
    found = examine(tmp_path, ("tiny",))
    need = {**found["presets"]["tiny"], "peak_bytes": 2**50}
    extras = {**found["extras"], "train": ["torch"]}
    bad = {**found, "presets": {"tiny": need}, "extras": extras, "disk": {**found["disk"], "writable": False}}
    bad["problems"] = problems_of(bad)
    words = ("unpersonal[train]", "cannot be written", "the preset tiny needs 1048576.0 GiB")
    assert [word for problem, word in zip(bad["problems"], words, strict=True) if word in problem] == list(words)
    assert sum(line.startswith("problem:") for line in told(bad)) == 3


@pytest.mark.parametrize(
    "arguments", [["nowhere"], [".", "--preset", "huge"], [".", "--preset", "tiny", "--device", "abacus"]]
)
def test_what_is_none_is_said(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = ran(*arguments)
    assert done.exit_code == 2 and "unpersonal: " in done.stderr


def test_a_preset_without_torch_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("unpersonal.core.extras.find_spec", lambda name: None)
    with pytest.raises(InputError, match="extra train"):
        examine(tmp_path, ("tiny",))
