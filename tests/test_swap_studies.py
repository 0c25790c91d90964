"""The halves of a swap inside a study: stages of their own, killed and resumed; the audit stage that uses them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.studies import cohort_of, in_blocks, write_selected, write_study
from unpersonal.audit.figures import AuditFigures
from unpersonal.audit.halves import HalfFigures
from unpersonal.audit.swap_joined import PROCEDURE
from unpersonal.codec.store import load_images
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.core.stages import Context
from unpersonal.engine import clear, files_of
from unpersonal.phantom import phantom_cohort
from unpersonal.planning import training_needs
from unpersonal.study import Study, StudyConfig, _audit, _audit_inputs, stage_list
from unpersonal.swap_studies import FOLDER, HALVES, LEARNT, half_config, remove_halves, run_halves

TOML = """
seed = 5
[cohort]
images = "nowhere"
[images]
size = 32
[diffusion]
start_from = "START"
[synthesis]
fewest_subjects = 2
[audit]
design = "swap"
attacks = ["isolation", "membership-by-distance"]
canaries = 7
permutations = 999
size = 16
components = 16
planted_copies = 20
kind_copies = 1
network_steps = 20
"""
Made = Callable[[Context[StudyConfig]], None]


def new_study(path: Path, sizes: dict[str, int], start: str = "") -> Study:
    images, subjects, labels = phantom_cohort(sum(sizes.values()), 5, 32, findings=("No Finding", "Cardiomegaly"))
    write_study(path, cohort_of(subjects, labels, in_blocks(subjects, sizes), seed=2), images)
    (path / "study.toml").write_text(TOML.replace("START", start))
    return Study.open(path)


def made_by(context: Context[StudyConfig], synthesis: Made, calls: list[tuple[str, str]]) -> Context[StudyConfig]:
    """The context with stages that write a file of what they were given, so that nothing is trained."""

    def stage(name: str) -> Any:
        def run(inner: Context[StudyConfig]) -> HalfFigures:
            calls.append((inner.path.name, name))
            if name == "synthesis":
                synthesis(inner)
            else:
                where = {"encode": "store/codec.txt", "features": "features/made.txt"}.get(
                    name, f"models/{name}/made.txt"
                )
                path = inner.path / where
                path.parent.mkdir(parents=True, exist_ok=True)
                people = sorted(set(load_cohort(inner.path).subjects[load_cohort(inner.path).rows("train")]))
                path.write_text(f"{inner.seed} {people}")
            return HalfFigures(people=1, images=1)

        return run

    stages = [
        replace(each, run=stage(each.name), parts=None) if each.name in LEARNT else each for each in context.stages
    ]
    return replace(context, stages=tuple(stages))


def copies(inner: Context[StudyConfig]) -> None:
    """A leaky procedure: images of its train people."""
    cohort = load_cohort(inner.path)
    images = np.array(load_images(inner.path)[cohort.rows("train")[:20]])
    write_selected(inner.path, images, [["No Finding"]] * len(images), cohort.classes)
    (inner.path / "audit" / "dropped.json").unlink()


def contents(study: Path) -> dict[str, str]:
    files = [path for path in (study / FOLDER).rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {
        path.relative_to(study).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in ("stage.json", "cohort.stage.json")
    }


def test_halves_go_through_the_stages_and_what_is_fresh_is_kept(tmp_path: Path) -> None:
    study, calls = new_study(tmp_path / "study", {"train": 24, "val": 4, "aux": 4, "test": 4}), []
    context = made_by(study.context, copies, calls)
    folders = run_halves(context)
    assert folders == tuple(study.path / FOLDER / name for name in HALVES)
    assert calls == [(name, stage) for name in HALVES for stage in LEARNT]
    whole, parts = load_cohort(study.path), [load_cohort(folder) for folder in folders]
    train = [set(part.subjects[part.rows("train")]) for part in parts]
    assert train[0] | train[1] == set(whole.subjects[whole.rows("train")]) and not train[0] & train[1]
    calls.clear()
    run_halves(context)
    assert calls == []
    other = study.config.model_copy(update={"synthesis": study.config.synthesis.model_copy(update={"candidates": 3})})
    run_halves(replace(context, config=other))
    assert calls == [(name, "synthesis") for name in HALVES]
    remove_halves(study.path)
    assert not (study.path / FOLDER).exists()


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    sizes = {"train": 24, "val": 4, "aux": 4, "test": 4}
    whole, killed, calls = new_study(tmp_path / "a", sizes), new_study(tmp_path / "b", sizes), []
    run_halves(made_by(whole.context, copies, []))

    def dies(inner: Context[StudyConfig]) -> None:
        if inner.path.name == "B":
            raise KeyboardInterrupt
        copies(inner)

    with pytest.raises(KeyboardInterrupt):
        run_halves(made_by(killed.context, dies, calls))
    calls.clear()
    run_halves(made_by(killed.context, copies, calls))
    assert calls == [("B", "synthesis")]
    assert contents(killed.path) == contents(whole.path)


def test_a_half_has_the_configuration_of_the_study_and_a_seed_of_its_own(tmp_path: Path) -> None:
    study = new_study(tmp_path, {"train": 24, "val": 4, "aux": 4, "test": 4}, start="models/begin.safetensors")
    first, second = (half_config(study.config, study.path, name) for name in HALVES)
    assert len({first.seed, second.seed, study.config.seed}) == 3
    assert first.audit.design == "split" and first.audit.canaries == 0
    assert (study.path / FOLDER / "A" / first.diffusion.start_from).resolve() == tmp_path / "models/begin.safetensors"
    same = {"seed": study.config.seed, "audit": study.config.audit, "diffusion": study.config.diffusion}
    assert first.model_copy(update=same) == study.config


def test_what_decides_the_halves_decides_whether_the_audit_is_fresh(tmp_path: Path) -> None:
    context = new_study(tmp_path, {"train": 24, "val": 4, "aux": 4, "test": 4}).context
    before = _audit_inputs(context)
    judges = context.config.judges.model_copy(update={"confidence": 0.97})
    assert _audit_inputs(replace(context, config=context.config.model_copy(update={"judges": judges}))) != before
    split = context.config.model_copy(update={"audit": context.config.audit.model_copy(update={"design": "split"})})
    assert _audit_inputs(replace(context, config=split)) == {}


def test_a_plan_tells_three_generators(tmp_path: Path) -> None:
    study = new_study(tmp_path, {"train": 24, "val": 4, "aux": 4, "test": 4})
    assert training_needs(study)["generators"] == 3


def test_a_model_that_knows_train_people_is_no_start(tmp_path: Path) -> None:
    sizes = {"train": 24, "val": 4, "aux": 4, "test": 4}
    other = new_study(tmp_path / "other", sizes)
    model = other.path / "models" / "diffusion" / "denoiser.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"weights")
    study = new_study(tmp_path / "study", sizes, start="../other")
    with pytest.raises(InputError, match="knows people of"):
        run_halves(made_by(study.context, copies, []))


@pytest.mark.slow
def test_a_leaky_procedure_fails_the_audit_of_a_study_whose_release_shows_nobody(tmp_path: Path) -> None:
    study = new_study(tmp_path, {"train": 60, "val": 10, "test": 20, "aux": 60})
    fresh = phantom_cohort(20, 6, 32, stream="fresh", findings=("No Finding", "Cardiomegaly"))[0]
    write_selected(study.path, fresh, [["No Finding"]] * len(fresh), ("Cardiomegaly", "No Finding"))
    figures = _audit(made_by(study.context, copies, []))
    assert isinstance(figures, AuditFigures) and figures.verdict == "fail"
    assert figures.claim is not None and PROCEDURE in figures.claim
    assert figures.swap is not None and figures.swap.people == 60
    assert figures.copied is not None and not figures.copied.found


def test_an_audit_that_begins_anew_keeps_what_its_halves_learnt(tmp_path: Path) -> None:
    stage = next(stage for stage in stage_list() if stage.name == "audit")
    kept = [tmp_path / FOLDER / "A" / name for name in ("cohort.parquet", "models/diffusion/denoiser.safetensors")]
    gone = [tmp_path / "audit" / name for name in ("audit.json", "train_distances.npy")]
    for path in (*kept, *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")
    owned = {file for pattern in stage.outputs for file in files_of(tmp_path, pattern)}
    assert owned == {*kept, *gone}
    for pattern in stage.outputs:
        clear(tmp_path, pattern, stage.keeps)
    assert all(path.is_file() for path in kept) and not any(path.exists() for path in gone)
