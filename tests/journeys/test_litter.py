"""What file managers, editors and network shares leave in a study: it changes nothing, and nobody removes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.studies import SUBJECT, change_settings
from unpersonal.cli import app
from unpersonal.phantom import write_phantom

pytestmark = pytest.mark.slow

LITTER = (".DS_Store", "Thumbs.db", "desktop.ini", "._images.npy", "stage.json~", ".nfs000000000001", ".hidden/x.npy")
FOLDERS = (".", "store", "features", "release", "release/images", "models/diffusion", "candidates", "audit")
UNTIL = ["cohort", "encode", "features"]


def run(*words: object):
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "400"})
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def states(study: Path) -> dict[str, str]:
    return json.loads(run("status", study, "--json").stdout)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Times and bytes of all files but the lock and the summary, which every run writes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "summary.json"))
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A study up to its features, with what stands for a release and models."""
    root = tmp_path_factory.mktemp("litter")
    write_phantom(root / "images", subjects=40, seed=5, size=32, findings=("No Finding", "Cardiomegaly"))
    words = ("--layout", "folder", "--subject", SUBJECT, "--preset", "tiny")
    run("init", root / "study", "--images", root / "images", *words)
    run("run", root / "study", "--until", "features")
    return root / "study"


@pytest.fixture
def study(made, tmp_path) -> Path:
    study = shutil.copytree(made, tmp_path / "study")
    for folder in FOLDERS:
        (study / folder).mkdir(parents=True, exist_ok=True)
    (study / "release" / "manifest.json").write_text("{}")
    (study / "release" / "images" / "img-000001.png").write_bytes(b"x")
    return study


def leave(study: Path, names: tuple[str, ...] = LITTER) -> list[Path]:
    left = [study / folder / name for folder in FOLDERS for name in names]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\0\0\1Bud1")
    return left


@pytest.mark.parametrize("name", [*LITTER, "notes.txt", "all of them"])
def test_litter_makes_nothing_stale_and_a_run_touches_nothing(study, name):
    before = states(study)
    left = leave(study, LITTER if name == "all of them" else (name,))
    assert states(study) == before and [before[stage] for stage in UNTIL] == ["fresh"] * 3
    files = tree(study)
    said = run("run", study, "--until", "features").stderr
    assert said.split() == ["cohort:", "fresh", "encode:", "fresh", "features:", "fresh"]
    assert tree(study) == files and all(path.is_file() for path in left)
    assert (study / "release" / "manifest.json").is_file(), "a release is not withdrawn for litter"


def test_a_stage_that_runs_anew_leaves_litter_where_it_is(study):
    left = [path for path in leave(study) if "release" not in path.parts]
    change_settings(study, {"codec.components": 6})
    said = run("run", study, "--until", "features").stderr
    assert (
        "encode: stale (study.toml: [codec] components 8 → 6)" in said and "features: stale (encode ran anew)" in said
    )
    assert all(path.is_file() for path in left)
    assert [states(study)[stage] for stage in UNTIL] == ["fresh"] * 3
    record = json.loads((study / "store" / "stage.json").read_text())
    assert record["outputs"] and not any(Path(name).name in LITTER for name in record["outputs"])


def test_litter_beside_checkpoints_of_a_killed_stage_is_left(study, monkeypatch):
    (study / "features" / "stage.json").unlink()
    left = leave(study)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("unpersonal.features.stage.run_stage", killed)
        result = CliRunner().invoke(app, ["run", str(study), "--until", "features"])
        assert result.exit_code == 130
    run("run", study, "--until", "features")
    assert all(path.is_file() for path in left if "release" not in path.parts)


def test_an_altered_file_beside_litter_is_found(study):
    leave(study)
    path = study / "features" / "conditions.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "stale (features/conditions.npy was altered)" in run("status", study).stdout
    said = run("run", study, "--until", "features").stderr
    assert "features: stale (features/conditions.npy was altered)" in said
