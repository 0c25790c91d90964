"""`unpersonal utility`: a recipient with three data sets, by the command line, with the real classifier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from unpersonal.cli import app
from unpersonal.phantom import write_phantom


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sites")
    for seed, name in enumerate(("north", "south", "west")):
        write_phantom(root / name, subjects=70, seed=seed, size=32)
    return root


def utility(*words: object) -> Result:
    return CliRunner().invoke(app, ["utility", *map(str, words)])


@pytest.mark.slow
def test_three_sites_by_three(folders: Path, tmp_path: Path) -> None:
    sides = [
        word for name in ("north", "south", "west") for word in ("--train", folders / name, "--test", folders / name)
    ]
    recipe = ("--size", 32, "--seeds", 2, "--steps", 30, "--subject", r"(?P<subject>sub-\d+)")
    result = utility(*sides, *recipe, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    figures = conforms("utility", result.stdout)
    assert json.loads((tmp_path / "out" / "utility.json").read_text(encoding="utf-8")) == figures
    assert len(figures["cells"]) == 9 and {cell["train"] for cell in figures["cells"]} == {"north", "south", "west"}
    for cell in figures["cells"]:
        low, high = cell["auroc_interval"]
        assert low < cell["auroc"] < high and 0 <= cell["calibration_error"] <= 1
    # phantoms of any seed show their findings alike: what is learnt here holds there
    assert sum(cell["auroc"] for cell in figures["cells"]) / 9 > 0.6
    for side in figures["sides"]:
        assert side["found"] == side["read"] + side["refused"] + side["ignored"]
    told = (tmp_path / "out" / "utility.md").read_text(encoding="utf-8")
    assert "| trained on | tested on north | tested on south | tested on west |" in told
    with Image.open(tmp_path / "out" / "utility.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 200
    assert "sub-" not in told + result.stdout


def test_what_is_wrong_ends_with_code_2(folders: Path, tmp_path: Path) -> None:
    north = folders / "north"
    for words, said in (
        (("--train", north, "--test", tmp_path / "absent"), "no such file"),
        (("--train", north, "--test", north, "--out", north / "out"), "lie in a data set"),
        (("--train", north, "--test", north, "--size", 8), "size"),
    ):
        result = utility(*words)
        assert result.exit_code == 2 and said in result.stderr, result.output
    assert utility("--train", north).exit_code == 2
    (tmp_path / "study.toml").write_text("", encoding="utf-8")
    assert "This is a study" in utility("--train", tmp_path, "--test", north).stderr
