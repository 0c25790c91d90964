"""An auditor with somebody else's folders: fresh people pass, copies do not; the notes name the auxiliary subjects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from unpersonal.cli import app
from unpersonal.commands.schema import schema_of
from unpersonal.phantom import write_phantom

pytestmark = pytest.mark.slow

SUBJECT = r"(?P<subject>(train|control)/[\w ]+/sub-\d+)"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("auditor")
    for seed, (name, subjects) in enumerate({"train": 300, "control": 600, "fresh": 80}.items()):
        write_phantom(root / name / name, subjects=subjects, seed=seed, size=32)
    copies = root / "copies"
    copies.mkdir()
    # one image per person, under names that say nothing
    for number, image in enumerate(sorted((root / "train").rglob("*_0.png"))[:100]):
        shutil.copy(image, copies / f"{number}.png")
    return root


def audit(folders: Path, synthetic: str, out: Path):
    words = [
        "audit",
        "--train",
        folders / "train",
        "--control",
        folders / "control",
        "--synthetic",
        folders / synthetic,
    ]
    more = ("--subject", SUBJECT, "--out", out, "--profile", "agreement")
    return CliRunner().invoke(app, [str(w) for w in (*words, *more)])


def test_fresh_people_pass(folders, tmp_path):
    result = audit(folders, "fresh", tmp_path / "out")
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "out" / "audit.json").read_text())
    Draft202012Validator(schema_of("audit")).validate(figures)
    assert figures["verdict"] == "pass" and figures["advantage_upper"] <= 0.05
    assert "half" in result.stdout and "control" in result.stdout
    assert "sub-" not in (tmp_path / "out" / "audit.json").read_text()


def test_copies_are_refused(folders, tmp_path):
    result = audit(folders, "copies", tmp_path / "out")
    assert result.exit_code == 3, result.output
    assert (
        "the audit did not pass, its verdict is fail" in result.stderr and "policy" not in result.stderr.splitlines()[0]
    )
    figures = json.loads((tmp_path / "out" / "audit.json").read_text())
    # of 300 people 100 were copied
    assert figures["verdict"] == "fail" and 0.3 <= figures["advantage"] <= 0.34


def test_metrics_of_two_folders(folders):
    words = ["metrics", "--real", folders / "control", "--synthetic", folders / "fresh", "--size", "32", "--json"]
    result = CliRunner().invoke(app, [str(w) for w in words])
    assert result.exit_code == 0, result.output
    figures = conforms("metrics", result.stdout)
    assert figures["fid"] > 0 and 0.5 < figures["irs"] < 1.5


def test_a_missing_folder_is_an_input_error(folders, tmp_path):
    result = audit(folders, "nowhere", tmp_path / "out")
    assert result.exit_code == 2 and "nowhere" in result.stderr and not (tmp_path / "out").exists()
