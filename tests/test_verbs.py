"""The verbs in Python: they say nothing, tell how far they are, and return what the command line prints."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import unpersonal
from tests.release.conftest import figures as figures
from tests.release.conftest import make_study as make_study
from tests.studies import change_settings
from unpersonal import InputError, PolicyRefused, Progress, Study, init_study, phantom
from unpersonal.cli import app
from unpersonal.cohort_keys import CohortKeys
from unpersonal.layouts.config import CohortConfig
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.stage import run_stage
from unpersonal.study import stage_list

SUBJECT = r"(?P<subject>sub-\d+)"


def told_by_command(*words: object) -> Any:
    """What `--json` prints, without the key that tells of a refusal."""
    done = CliRunner().invoke(app, [str(word) for word in (*words, "--json")])
    assert done.exit_code in (0, 3), done.output
    told = json.loads(done.stdout)
    assert (told.pop("error", {}).get("kind") == "refused") == (done.exit_code == 3)
    return told


def check_events(events: list[Progress]) -> list[str]:
    """Of every stage `done` and `total` never fall, and `done` is `total` in the end; returns the stages in order."""
    stages = []
    for stage, group in groupby(events, key=lambda event: event.stage):
        told = list(group)
        stages.append(stage)
        assert told[0].done == 0 and told[-1].done == told[-1].total > 0, stage
        for before, after in pairwise(told):
            assert before.done <= after.done <= after.total and before.total <= after.total, (before, after)
    assert len(set(stages)) == len(stages), stages
    return stages


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("verbs")
    for name, people, seed in (("people", 120, 0), ("known", 24, 1), ("asked", 20, 2), ("drawn", 20, 3)):
        phantom(root / name, subjects=people, size=32, seed=seed)
    return root


@pytest.mark.slow
def test_a_study_is_silent_tells_its_progress_and_goes_on_after_an_interruption(
    folders: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events: list[Progress] = []
    study = init_study(
        tmp_path / "study", folders / "people", subject=SUBJECT, preset="tiny", seed=3, progress=events.append
    )
    assert check_events(events) == ["init"]
    slow = {"features.kind": "ssl", "features.images": 4000, "features.batch": 20}
    change_settings(study.path, slow)
    assert study.understanding.subjects == 120 and len(study.cohort()) == study.understanding.images

    def interrupt(event: Progress) -> None:
        if event.stage == "features" and event.done > 20:
            raise KeyboardInterrupt

    study = Study.open(study.path)
    with pytest.raises(KeyboardInterrupt):
        study.run(until="features", progress=interrupt)
    assert study.freshness()["encode"] == "fresh" and study.freshness()["features"] != "fresh"
    events.clear()
    summary = study.run(until="features", progress=events.append)
    assert check_events(events) == ["cohort", "encode", "features"]
    assert [event.note for event in events if event.stage == "cohort"][1] == "cohort: fresh"
    assert any(event.note.startswith("features, loss ") for event in events)
    assert capfd.readouterr() == ("", "")

    whole = init_study(tmp_path / "whole", folders / "people", subject=SUBJECT, preset="tiny", seed=3)
    change_settings(whole.path, slow)
    once = Study.open(whole.path).run(until="features")
    assert once.figures == summary.figures and capfd.readouterr() == ("", "")
    assert json.loads((study.path / "summary.json").read_text()) == summary.to_json() == dict(summary)
    assert told_by_command("run", study.path, "--until", "features") == summary.to_json()
    with pytest.raises(InputError, match="There is no stage"):
        study.run(until="nowhere")
    with pytest.raises(InputError, match="known only to whoever creates"):
        _ = Study.open(study.path).understanding


@pytest.mark.slow
def test_init_understands_what_the_command_does(folders: Path, tmp_path: Path) -> None:
    ours = init_study(tmp_path / "a", folders / "people", subject=SUBJECT, preset="tiny").understanding.to_dict()
    theirs = told_by_command(
        "init", tmp_path / "b", "--images", folders / "people", "--subject", SUBJECT, "--preset", "tiny"
    )
    assert json.loads(json.dumps(ours)).items() <= theirs.items()


@pytest.mark.slow
def test_figures_are_those_of_the_commands(folders: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events: list[Progress] = []
    known, asked, drawn = (folders / name for name in ("known", "asked", "drawn"))
    matched = unpersonal.match(known, asked, subject=SUBJECT, size=32, progress=events.append)
    measured = unpersonal.metrics(known, drawn, size=32, seed=2, progress=events.append)
    options: dict[str, Any] = {"labels": "folder", "subject": SUBJECT, "size": 32, "seeds": 1, "steps": 2}
    compared = unpersonal.utility(known, [asked], synthetic=drawn, progress=events.append, **options)
    assert check_events(events) == ["match", "metrics", "utility"]
    assert capfd.readouterr() == ("", "")
    words = ["--subject", SUBJECT, "--size", 32]
    assert matched.to_json() == told_by_command("match", known, asked, *words)
    assert measured.to_json() == told_by_command(
        "metrics", "--real", known, "--synthetic", drawn, "--size", 32, "--seed", 2
    )
    words += ["--labels", "folder", "--seeds", 1, "--steps", 2]
    sides = ("--train", known, "--test", asked, "--synthetic", drawn)
    assert compared.to_json() == told_by_command("utility", *sides, *words)


@pytest.mark.slow
def test_a_release_is_verified_and_exported(
    make_study: Callable[..., Path], figures: StudyFigures, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    study = make_study()
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)
    release, events = study / "release", list[Progress]()
    capfd.readouterr()
    found = unpersonal.verify(release, progress=events.append)
    made = unpersonal.export(str(release), tmp_path / "out", to="nifti", progress=events.append)
    assert found.state == "intact" and made.images == 12 and check_events(events) == ["verify", "export"]
    assert capfd.readouterr() == ("", "")
    assert told_by_command("verify", release) == {"release": str(release), **found.to_json()}
    told = told_by_command("export", release, tmp_path / "again", "--to", "nifti")
    assert told == {"out": str(tmp_path / "again"), **made.to_json()}
    with pytest.raises(InputError, match="something already"):
        unpersonal.export(release, tmp_path / "out", to="nifti")
    with pytest.raises(InputError, match="says nothing of a modality"):
        unpersonal.export(release, tmp_path / "other", to="nifti", modality="CT")
    (release / "withdrawal-1.json").write_text("{")
    (release / "labels.csv").write_text("file,label\n")
    with pytest.raises((InputError, PolicyRefused)):
        unpersonal.verify(release)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "call",
    [
        lambda at: init_study(at / "s", at / "nowhere"),
        lambda at: init_study(at / "s", at, preset="huge", subject="file"),
        lambda at: init_study(at / "s", at, subjekt="file"),
        lambda at: Study.open(at),
        lambda at: unpersonal.audit(at, at, at, out=at / "o", subject="file", profile="lenient"),
        lambda at: unpersonal.audit(at / "a", at / "b", at / "c", out=at / "o", subject="("),
        lambda at: unpersonal.audit(at / "a", at / "b", at / "c", out=at / "o", swap=at / "d"),
        lambda at: unpersonal.audit(at, at, at, out=at / "o", swap=at, auxiliary=at, sealed=0.2),
        lambda at: unpersonal.match(at / "a", at / "b"),
        lambda at: unpersonal.metrics(at / "a", at / "b", features="taste"),
        lambda at: unpersonal.utility([], at / "b"),
        lambda at: unpersonal.verify(at),
        lambda at: unpersonal.export(at, at / "o", to="papyrus"),
        lambda at: phantom(at / "p", subjects=0),
        lambda at: phantom(at / "p", subjects=1, modality="smell"),
    ],
)
def test_what_is_wrong_is_an_input_error(
    call: Callable[[Path], Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError):
        call(tmp_path)
    assert capfd.readouterr() == ("", "") and not list(tmp_path.iterdir())


def test_what_the_system_refuses_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise PermissionError(13, "Permission denied", "/elsewhere")

    monkeypatch.setattr("unpersonal.phantom.write.write_phantom", refuse)
    with pytest.raises(InputError, match=r"Permission denied.*Where: /elsewhere"):
        phantom(tmp_path / "p", subjects=1)


def test_a_missing_extra_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(*_: Any, **__: Any) -> int:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("unpersonal.phantom.write.write_phantom", lack)
    with pytest.raises(InputError, match=r"unpersonal\[train\]"):
        phantom(tmp_path / "p", subjects=1)


def test_the_keys_of_init_are_those_of_the_table() -> None:
    assert set(CohortKeys.__annotations__) == set(CohortConfig.model_fields) - {"images"}


def test_a_verb_is_there_whatever_was_imported_before() -> None:
    code = (
        "import unpersonal.audit.profiles, unpersonal.match, unpersonal.demo, unpersonal.phantom, unpersonal.utility\n"
        "import unpersonal, sys\n"
        "from unpersonal import audit, demo, match, metrics, phantom, utility\n"
        "print([callable(each) for each in (audit, demo, match, metrics, phantom, utility)])\n"
        "from unpersonal import *\n"
        "print('torch' in sys.modules, set(unpersonal.__all__) <= set(globals()) & set(dir(unpersonal)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str([True] * 6), "False True"]


def test_the_signature_of_a_room_is_that_of_its_verb() -> None:
    assert "control" in inspect.signature(unpersonal.audit).parameters
    assert inspect.signature(unpersonal.match).return_annotation == "MatchResult"


@pytest.mark.slow
def test_stages_are_the_same_words_as_in_status(folders: Path, tmp_path: Path) -> None:
    study = init_study(tmp_path / "s", folders / "people", subject=SUBJECT, preset="tiny")
    assert list(study.states()) == [stage.name for stage in stage_list()]
