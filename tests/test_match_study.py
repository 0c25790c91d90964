"""`unpersonal match` with a study: its gate rules, everybody of the cohort is known, what it is blind to is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from tests.judges.test_stage import CONFIG, phantom_study
from unpersonal.cli import app
from unpersonal.cohort.table import load_cohort
from unpersonal.core.records import StageRecord
from unpersonal.init import to_toml
from unpersonal.judges.stage import run_stage
from unpersonal.phantom import phantom_cohort
from unpersonal.presets import preset
from unpersonal.study import StudyConfig, stage_list


def record(study: Path, name: str, inputs: dict[str, str]) -> StageRecord:
    stage = next(stage for stage in stage_list() if stage.name == name)
    written = StageRecord(name, "", {}, inputs, {name: "0" * 64}, {}, 0.0, {}, [])
    written.write(study / stage.record)
    return written


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = phantom_study(tmp_path_factory.mktemp("match") / "study")
    config = StudyConfig.model_validate({**preset("tiny"), "cohort": {"images": "nowhere"}})
    (path / "study.toml").write_text(to_toml(config, "tiny"), encoding="utf-8")
    run_stage(path, CONFIG, seed=4, device=torch.device("cpu"))
    judges = next(stage for stage in stage_list() if stage.name == "judges")
    record(path, "judges", {name: record(path, name, {}).output_hash for name in judges.inputs})
    return path


@pytest.fixture(scope="module")
def asked(study: Path) -> Path:
    """Copies of a person of each split, one of them wide, and pictures that show nobody."""
    folder = study.parent / "asked"
    folder.mkdir()
    cohort, images = load_cohort(study), np.load(study / "store" / "images.npy")
    for split in ("train", "val", "aux", "test"):
        picture = images[cohort.rows(split)[0], 0]
        Image.fromarray(picture).save(folder / f"{split}.png")
        Image.fromarray(np.pad(picture, ((0, 0), (12, 12)))).save(folder / f"{split}-wide.png")
    for row, picture in enumerate(phantom_cohort(12, 77, 32)[0]):
        Image.fromarray(picture[0]).save(folder / f"fresh-{row:02d}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def command(*words: object):
    return CliRunner().invoke(app, ["match", *map(str, words)], env={"COLUMNS": "200"})


@pytest.mark.slow
def test_everybody_in_the_cohort_is_known_and_no_subject_is_named(study, asked):
    done = command(study, asked, "--json")
    assert done.exit_code == 3, done.output
    figures = json.loads(done.stdout)
    rows = {row["file"]: row for row in figures["rows"]}
    for split in ("train", "val", "aux", "test"):
        for name in (f"{split}.png", f"{split}-wide.png"):
            assert rows[name]["refused"] and rows[name]["matcher"] in ("re-identifier", "copies"), name
    assert rows["broken.png"]["matcher"] == "unread" and rows["broken.png"]["stranger_rate"] is None
    assert all(0 < row["stranger_rate"] <= 1 for name, row in rows.items() if name != "broken.png")
    assert figures["images"] == len(rows) and figures["refused"] == sum(row["refused"] for row in rows.values())
    assert "sub-" not in done.output
    private = json.loads(command(study, asked, "--json", "--private").stdout)["rows"]
    cohort = load_cohort(study)
    for row in private:
        if row["file"] in ("train.png", "test.png"):
            assert row["subject"] == cohort.subjects[cohort.rows(row["file"].removesuffix(".png"))[0]]


@pytest.mark.slow
def test_the_gates_thresholds_hold_and_its_blind_kinds_are_named(study, asked):
    figures = json.loads((study / "models" / "judges" / "gate.json").read_text())
    told = command(study, asked).stdout
    assert figures["blind"] and all(kind in told for kind in figures["blind"])
    assert "over-fitted (not tried)" in told and "as calibrated (re-identifier, copies)" in told


@pytest.mark.slow
def test_a_study_without_a_gate_of_its_own_is_refused(study, asked):
    kept = {name: (study / next(s for s in stage_list() if s.name == name).record) for name in ("judges", "encode")}
    texts = {name: path.read_text() for name, path in kept.items()}
    try:
        kept["judges"].unlink()
        done = command(study, asked)
        assert done.exit_code == 2 and "no gate yet" in done.stderr and "--until judges" in done.stderr
        kept["judges"].write_text(texts["judges"])
        StageRecord("encode", "", {}, {}, {"encode": "1" * 64}, {}, 0.0, {}, []).write(kept["encode"])
        done = command(study, asked)
        assert done.exit_code == 2 and "older than the stage encode" in done.stderr.replace("\n", " ")
    finally:
        for name, path in kept.items():
            path.write_text(texts[name])
