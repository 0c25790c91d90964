"""A model to start from must not have seen the people that this study holds out."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from unpersonal.cohort.table import Cohort
from unpersonal.core.errors import InputError
from unpersonal.core.files import read_json, write_json
from unpersonal.core.hashing import sha256_file
from unpersonal.diffusion.source_people import check_source_people, was_mirrored

SPLITS = ("train", "val", "aux", "test")


def write_study(path: Path, splits: dict[str, str], model: bool = True) -> Path:
    """A study whose image i has the content hash i, of subject i; `splits` maps contents to parts."""
    path.mkdir(parents=True)
    table = pd.DataFrame(
        {
            "image": [f"{name}.png" for name in splits],
            "subject": [f"subject-{name}" for name in splits],
            "labels": [["a"] for _ in splits],
            "split": list(splits.values()),
            "sha256": list(splits),
        }
    )
    Cohort(table, ("a",)).save(path)
    if model:
        (path / "models" / "diffusion").mkdir(parents=True)
        (path / "models" / "diffusion" / "denoiser.safetensors").write_bytes(b"weights")
        write_records(path)
    return path


def write_records(path: Path, output_hash: str = "1") -> None:
    """What the cohort stage and the diffusion stage say of their files."""
    weights = "models/diffusion/denoiser.safetensors"
    cohort = {"outputs": {"cohort.parquet": sha256_file(path / "cohort.parquet")}, "output_hash": output_hash}
    write_json(path / "cohort.stage.json", cohort)
    record = {"outputs": {weights: sha256_file(path / weights)}, "inputs": {"cohort": "1"}}
    write_json(path / "models" / "diffusion" / "stage.json", record)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study", dict(zip("abcd", SPLITS, strict=True)), model=False)


@pytest.mark.parametrize("part", SPLITS[1:])
@pytest.mark.parametrize("inside", ["", "models/diffusion", "models/diffusion/denoiser.safetensors"])
def test_a_source_that_was_trained_on_held_out_people_is_refused(tmp_path, study, part, inside):
    held = "abcd"[SPLITS.index(part)]
    source = write_study(tmp_path / "source", {"x": "train", held: "train", "y": "val"})
    with pytest.raises(InputError) as caught:
        check_source_people(study, source / inside)
    message = str(caught.value)
    assert f"({part} 1)" in message and "Where: [diffusion] start_from" in message and "To mend it:" in message
    assert f"subject-{held}" not in message


def test_a_source_that_held_them_out_too_is_known(tmp_path, study):
    """The same people may be in train of both, or held out by the source in whatever part."""
    source = write_study(tmp_path / "source", {"a": "train", "b": "test", "c": "val", "d": "aux", "x": "test"})
    assert check_source_people(study, source) is True
    assert check_source_people(study, source / "models" / "diffusion") is True
    link = tmp_path / "link.safetensors"
    os.symlink(source / "models" / "diffusion" / "denoiser.safetensors", link)
    assert check_source_people(study, link) is True


def test_what_is_no_study_is_unknown(tmp_path, study):
    (tmp_path / "edm2.pkl").write_bytes(b"x")
    assert check_source_people(study, tmp_path / "edm2.pkl") is False
    # a checkpoint in a study's folder is no model of that study
    for inside in ("edm2.pkl", "store/edm2.safetensors", "models/diffusion/edm2.pkl"):
        path = study / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        assert check_source_people(study, path) is False
    bare = write_study(tmp_path / "source", {"x": "train"})
    (bare / "cohort.parquet").unlink()
    assert check_source_people(study, bare) is False


def test_a_source_that_started_elsewhere_itself_has_people_whom_nobody_knows(tmp_path, study):
    source = write_study(tmp_path / "source", {"a": "train"})
    assert check_source_people(study, source) is True
    write_json(source / "models" / "diffusion" / "denoiser.start.json", {"source": "edm2.pkl"})
    assert check_source_people(study, source) is False
    again = write_study(tmp_path / "again", {"d": "train"})
    write_json(again / "models" / "diffusion" / "denoiser.start.json", {"source": "edm2.pkl"})
    with pytest.raises(InputError):
        check_source_people(study, again)


@pytest.mark.parametrize("change", ["nothing", "cohort", "weights", "both anew"])
def test_records_that_contradict_the_files_leave_the_people_unknown(tmp_path, study, change):
    source = write_study(tmp_path / "source", {"a": "train", "d": "test"})
    model = source / "models" / "diffusion"
    if change == "cohort":
        Cohort(pd.read_parquet(source / "cohort.parquet").iloc[:1], ("a",)).save(source)
    elif change == "weights":
        (model / "denoiser.safetensors").write_bytes(b"others")
    elif change == "both anew":
        # the cohort was divided again after the model had been trained
        write_records(source, "2")
    assert check_source_people(study, source) is (change == "nothing")


def test_a_missing_source_and_a_broken_cohort_are_input_errors(tmp_path, study):
    with pytest.raises(InputError):
        check_source_people(study, tmp_path / "nowhere")
    source = write_study(tmp_path / "source", {"x": "train"})
    (source / "cohort.parquet").write_bytes(b"broken")
    with pytest.raises(InputError):
        check_source_people(study, source)


@pytest.mark.parametrize(("setting", "found"), [({"horizontal_flip": True}, True), ({"horizontal_flip": False}, False)])
def test_a_source_says_whether_it_saw_mirrored_images(tmp_path, setting, found):
    source = write_study(tmp_path / "source", {"a": "train"})
    record = source / "models" / "diffusion" / "stage.json"
    assert was_mirrored(source) is None, "a record without the setting"
    write_json(record, {**read_json(record), "config": {"diffusion": setting}})
    assert was_mirrored(source) is found
    record.unlink()
    assert was_mirrored(source) is None
    (source / "cohort.parquet").unlink()
    assert was_mirrored(source) is False, "the model of no study"
