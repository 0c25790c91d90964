"""A study whose release is signed, exported, withdrawn, and not published again; a history that was touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.release.keys import write_key
from tests.studies import LOOSE, PEOPLE, call, change_settings, new_study
from unpersonal.cli import app
from unpersonal.phantom import write_phantom

pytestmark = pytest.mark.slow
FINDINGS = ("No Finding", "Pleural Effusion", "Cardiomegaly")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a signed release; its limits are wide, so that its release does not meet a published profile."""
    place = tmp_path_factory.mktemp("signed")
    write_phantom(place / "images", subjects=PEOPLE, seed=3, size=32, findings=FINDINGS)
    write_key(place)
    study = new_study(place / "study", place / "images", LOOSE)
    change_settings(study, {"release.sign": "../key.pem"})
    done = call("run", study)
    assert done.returncode == 0, done.stderr
    return study


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished.parent, tmp_path / "place")
    return tmp_path / "place" / "study"


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.stdout + done.stderr


def verified(study: Path, *words: object) -> dict[str, object]:
    done = CliRunner().invoke(app, ["verify", str(study / "release"), "--json", *map(str, words)])
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_run_signs_and_a_key_that_cannot_is_told_first(study: Path) -> None:
    assert verified(study, "--key", study.parent / "key.pub")["signature"] == "valid"
    assert verified(study)["signature"] == "not-checked"
    before = (study / "release/manifest.json").read_bytes()
    assert run("run", study)[0] == 0
    change_settings(study, {"release.sign": "gone.pem"})
    code, said = run("run", study)
    assert code == 2 and "gone.pem" in said
    assert (study / "release/manifest.json").read_bytes() == before


def test_a_withdrawn_release_is_not_published_again(study: Path) -> None:
    code, said = run("withdraw", study, "--reason", "a wrong label")
    assert code == 0 and "(signed)" in said
    found = verified(study, "--key", study.parent / "key.pub")
    assert found["state"] == "withdrawn" and "its signature is valid" in str(found["withdrawn"])
    code, said = run("export", study / "release", "--to", "parquet", study.parent / "out")
    assert code == 3 and "was withdrawn" in said and not (study.parent / "out").exists()
    for _ in range(2):
        code, said = run("run", study)
        assert code == 3 and "released and withdrawn: a wrong label" in said and not (study / "release").exists()


def test_a_history_that_was_touched_refuses(study: Path) -> None:
    ledger = study / "published.jsonl"
    data = ledger.read_bytes()
    for broken in (b"no line\n", data.replace(b'"released"', b'"withdrawn"'), None):
        ledger.unlink() if broken is None else ledger.write_bytes(broken)
        code, said = run("run", study)
        assert code == 3 and "published.jsonl" in said and not (study / "release").exists()
    ledger.write_bytes(data)
    assert run("run", study)[0] == 0 and ledger.read_bytes() == data
    for path in study.glob("published.*"):
        path.unlink()
    code, said = run("run", study)
    assert code == 2 and "has 0 where the study tells of 1" in said and (study / "release").is_dir()
