"""A model to start from must not have seen the people that this study holds out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from tests.studies import cohort_of, write_study
from unpersonal.cohort.table import Cohort
from unpersonal.core.errors import InputError
from unpersonal.core.files import read_json, write_json
from unpersonal.core.hashing import sha256_file
from unpersonal.diffusion.origin_subjects import check_origin_subjects, was_mirrored, why_unknown
from unpersonal.study import stage_list

SPLITS = ("train", "val", "aux", "test")


def write_trained(path: Path, splits: dict[str, str], model: bool = True) -> Path:
    """A study whose image i has the content hash i, of subject i; `splits` maps contents to parts."""
    subjects = [f"subject-{name}" for name in splits]
    write_study(path, cohort_of(subjects, ["a"] * len(splits), list(splits.values()), sha256=list(splits)))
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
    return write_trained(tmp_path / "study", dict(zip("abcd", SPLITS, strict=True)), model=False)


@pytest.mark.parametrize("part", SPLITS[1:])
@pytest.mark.parametrize("inside", ["", "models/diffusion", "models/diffusion/denoiser.safetensors"])
def test_a_source_that_was_trained_on_held_out_people_is_refused(tmp_path, study, part, inside):
    held = "abcd"[SPLITS.index(part)]
    source = write_trained(tmp_path / "source", {"x": "train", held: "train", "y": "val"})
    with pytest.raises(InputError) as caught:
        check_origin_subjects(study, source / inside)
    message = str(caught.value)
    assert f"({part} 1)" in message and "Where: [diffusion] start_from" in message and "To mend it:" in message
    assert f"subject-{held}" not in message


def test_a_source_that_held_them_out_too_is_known(tmp_path, study):
    """The same people may be in train of both, or held out by the source in whatever part."""
    source = write_trained(tmp_path / "source", {"a": "train", "b": "test", "c": "val", "d": "aux", "x": "test"})
    assert check_origin_subjects(study, source) is True
    assert check_origin_subjects(study, source / "models" / "diffusion") is True
    link = tmp_path / "link.safetensors"
    os.symlink(source / "models" / "diffusion" / "denoiser.safetensors", link)
    assert check_origin_subjects(study, link) is True


def test_what_is_no_study_is_unknown(tmp_path, study):
    (tmp_path / "edm2.pkl").write_bytes(b"x")
    assert check_origin_subjects(study, tmp_path / "edm2.pkl") is False
    # a checkpoint in a study's folder is no model of that study
    for inside in ("edm2.pkl", "store/edm2.safetensors", "models/diffusion/edm2.pkl"):
        path = study / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        assert check_origin_subjects(study, path) is False
    bare = write_trained(tmp_path / "source", {"x": "train"})
    (bare / "cohort.parquet").unlink()
    assert check_origin_subjects(study, bare) is False


def test_a_source_that_started_elsewhere_itself_has_people_whom_nobody_knows(tmp_path, study):
    source = write_trained(tmp_path / "source", {"a": "train"})
    assert check_origin_subjects(study, source) is True
    write_json(source / "models" / "diffusion" / "denoiser.start.json", {"source": "edm2.pkl"})
    assert check_origin_subjects(study, source) is False
    again = write_trained(tmp_path / "again", {"d": "train"})
    write_json(again / "models" / "diffusion" / "denoiser.start.json", {"source": "edm2.pkl"})
    with pytest.raises(InputError):
        check_origin_subjects(study, again)


@pytest.mark.parametrize("change", ["nothing", "cohort", "weights", "both anew"])
def test_records_that_contradict_the_files_leave_the_people_unknown(tmp_path, study, change):
    source = write_trained(tmp_path / "source", {"a": "train", "d": "test"})
    model = source / "models" / "diffusion"
    if change == "cohort":
        Cohort(pd.read_parquet(source / "cohort.parquet").iloc[:1], ("a",)).save(source)
    elif change == "weights":
        (model / "denoiser.safetensors").write_bytes(b"others")
    elif change == "both anew":
        # the cohort was divided again after the model had been trained
        write_records(source, "2")
    assert check_origin_subjects(study, source) is (change == "nothing")


def test_a_missing_source_and_a_broken_cohort_are_input_errors(tmp_path, study):
    with pytest.raises(InputError):
        check_origin_subjects(study, tmp_path / "nowhere")
    source = write_trained(tmp_path / "source", {"x": "train"})
    (source / "cohort.parquet").write_bytes(b"broken")
    with pytest.raises(InputError):
        check_origin_subjects(study, source)


@pytest.mark.parametrize(("setting", "found"), [({"horizontal_flip": True}, True), ({"horizontal_flip": False}, False)])
def test_a_source_says_whether_it_saw_mirrored_images(tmp_path, setting, found):
    source = write_trained(tmp_path / "source", {"a": "train"})
    record = source / "models" / "diffusion" / "stage.json"
    assert was_mirrored(source) is None, "a record without the setting"
    write_json(record, {**read_json(record), "config": {"diffusion": setting}})
    assert was_mirrored(source) is found
    record.unlink()
    assert was_mirrored(source) is None
    (source / "cohort.parquet").unlink()
    assert was_mirrored(source) is False, "the model of no study"


SUBSETS = ("train", "val", "aux", "test")
RECORDS = ("cohort.stage.json", "models/diffusion/stage.json")


def write_cohort(path: Path, people: dict[str, str]) -> Path:
    """A study with one image of each of `people` (id to part), whose content belongs to this study alone."""
    own = [f"{person} re-encoded for {path.name}" for person in people]
    return write_study(path, cohort_of(list(people), ["a"] * len(people), people, sha256=own))


def write_origin(path: Path, people: dict[str, str], **settings: object) -> Path:
    """A study that trained a model, with the records that its stages leave."""
    assert set(RECORDS) == {stage.record for stage in stage_list() if stage.name in ("cohort", "diffusion")}
    models = write_cohort(path, people) / "models" / "diffusion"
    models.mkdir(parents=True)
    outputs = {}
    for name in ("denoiser", "guide"):
        (models / f"{name}.safetensors").write_bytes(name.encode())
        outputs[f"models/diffusion/{name}.safetensors"] = sha256_file(models / f"{name}.safetensors")
    cohort = {"outputs": {"cohort.parquet": sha256_file(path / "cohort.parquet")}, "output_hash": "1"}
    config = {"seed": 1, "diffusion": {"start_from": "", **settings}}
    write_json(path / RECORDS[0], cohort)
    write_json(path / RECORDS[1], {"outputs": outputs, "inputs": {"cohort": "1"}, "config": config})
    return path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return write_cohort(tmp_path / "study", dict(zip("abcd", SUBSETS, strict=True)) | {"e": "train"})


@pytest.mark.parametrize("subset", SUBSETS)
def test_people_are_found_by_their_ids_where_their_images_are_other_files(tmp_path, ours, subset):
    held = "abcd"[SUBSETS.index(subset)]
    source = write_origin(tmp_path / "source", {"e": "train", held: "train"})
    if subset == "train":
        assert check_origin_subjects(ours, source) is True and why_unknown(ours, source) is None
        return
    with pytest.raises(InputError) as caught:
        check_origin_subjects(ours, source)
    assert f"with the same ids as subjects that this study holds out ({subset} 1)" in caught.value.what
    assert "a prefix per source" in caught.value.how and caught.value.where
    # records that are gone do not let it pass
    (source / RECORDS[1]).unlink()
    with pytest.raises(InputError):
        check_origin_subjects(ours, source)


@pytest.mark.parametrize(
    ("trained", "why"),
    [
        ("a", None),
        ("ae", None),
        ("xy", "none of its subjects' ids is found here"),
        ("aex", "some of its train subjects are no train subjects"),
        ("", "none of its subjects' ids is found here"),
    ],
)
def test_people_are_known_only_where_all_have_ids_of_train_subjects(tmp_path, ours, capsys, trained, why):
    people = {"b": "test", "z": "val"} | dict.fromkeys(trained, "train")
    source = write_origin(tmp_path / "source", people)
    assert check_origin_subjects(ours, source) is (why is None)
    printed = " ".join(capsys.readouterr().err.split())
    assert (why is None) == (printed == "")
    assert why is None or (f"are not known: {why}" in printed and why in why_unknown(ours, source))


def without(record: Path, *names: str) -> None:
    """Remove the entry of a record that `names` lead to."""
    values = inner = json.loads(record.read_text())
    for name in names[:-1]:
        inner = inner[name]
    del inner[names[-1]]
    write_json(record, values)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"outputs": 3}'])
def test_records_that_are_missing_or_broken_leave_the_people_unknown(tmp_path, ours, name, content):
    source = write_origin(tmp_path / "source", {"a": "train"})
    assert check_origin_subjects(ours, source) is True
    (source / name).unlink()
    if content is not None:
        (source / name).write_bytes(content)
    assert check_origin_subjects(ours, source) is False


@pytest.mark.parametrize(
    "names",
    [
        [(0, "outputs", "cohort.parquet")],
        [(1, "outputs", "models/diffusion/denoiser.safetensors")],
        [(0, "output_hash")],
        [(1, "inputs", "cohort")],
        # two values that are absent are not equal
        [(0, "output_hash"), (1, "inputs", "cohort")],
    ],
)
def test_records_that_do_not_say_enough_leave_the_people_unknown(tmp_path, ours, names):
    source = write_origin(tmp_path / "source", {"a": "train"})
    for number, *entry in names:
        without(source / RECORDS[number], *entry)
    assert check_origin_subjects(ours, source) is False


def test_a_file_that_the_stage_did_not_write_is_no_model_of_the_study(tmp_path, ours):
    source = write_origin(tmp_path / "source", {"a": "train"})
    models = source / "models" / "diffusion"
    assert check_origin_subjects(ours, models / "guide.safetensors") is True
    (models / "edm2.safetensors").write_bytes(b"from elsewhere")
    assert check_origin_subjects(ours, models / "edm2.safetensors") is False
    (models / "guide.safetensors").unlink()
    (models / "guide.safetensors").symlink_to(models / "edm2.safetensors")
    assert check_origin_subjects(ours, models / "guide.safetensors") is False


def test_a_source_whose_record_says_that_it_started_elsewhere_is_unknown_without_its_report_too(tmp_path, ours):
    source = write_origin(tmp_path / "source", {"a": "train"}, start_from="edm2.pkl")
    assert check_origin_subjects(ours, source) is False
    source = write_origin(tmp_path / "again", {"a": "train"})
    record = json.loads((source / RECORDS[1]).read_text())
    record["outputs"]["models/diffusion/denoiser.start.json"] = "0" * 64
    write_json(source / RECORDS[1], record)
    assert check_origin_subjects(ours, source) is False
