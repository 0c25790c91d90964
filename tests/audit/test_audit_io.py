"""The audit of folders, and the stage of a study."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from unpersonal.audit import AuditConfig, audit_folders
from unpersonal.audit.stage import run_stage
from unpersonal.cohort.phantom import phantom_cohort
from unpersonal.cohort.table import Cohort
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_json
from unpersonal.core.tensors import save_array

SMALL = AuditConfig(permutations=999, size=16, components=16, planted_copies=20)
SUBJECT = r"(?P<subject>sub-\w+)_"


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images, subjects, labels = phantom_cohort(400, 5, 32, findings=("No Finding", "Pleural Effusion", "Cardiomegaly"))
    return images, np.asarray(subjects), np.asarray(labels)


def write(folder: Path, images: np.ndarray, subjects: np.ndarray, nested: bool) -> Path:
    for i, (image, subject) in enumerate(zip(images, subjects, strict=True)):
        path = folder / (subject if nested else ".") / f"{subject}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(path)
    return folder


def test_folders_and_zips_are_audited(tmp_path: Path, people: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = people
    names = np.unique(subjects)
    train = np.isin(subjects, names[:150])
    write(tmp_path / "train", images[train], subjects[train], nested=True)
    write(tmp_path / "control", images[~train], subjects[~train], nested=False)
    (tmp_path / "control" / "broken_sub-x_.png").write_bytes(b"no image")
    with zipfile.ZipFile(tmp_path / "synthetic.zip", "w") as archive:
        for i, row in enumerate(np.flatnonzero(train)[:60]):
            path = tmp_path / f"{i}.png"
            Image.fromarray(images[row, 0]).resize((48, 48)).save(path)
            archive.write(path, f"deep/er/{i}.png")
    arguments = (tmp_path / "train", tmp_path / "control", tmp_path / "synthetic.zip", SUBJECT, tmp_path / "out")
    result = audit_folders(*arguments, seed=3, config=SMALL)
    assert result.verdict == "fail" and result.advantage >= 0.8
    written = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert written == json.loads(json.dumps(result.to_dict()))
    report = (tmp_path / "out" / "report.md").read_text()
    assert report.startswith("# Audit: fail") and "half of the control subjects" in report
    assert "1 files could not be read" in report and "sub-" not in report and str(tmp_path) not in report
    again = audit_folders(*arguments, seed=3, config=SMALL)
    assert again.to_dict() == result.to_dict()


def test_wrong_folders_are_input_errors_and_leave_nothing(tmp_path: Path, people: tuple[np.ndarray, ...]) -> None:
    images, subjects, _ = people
    folder = write(tmp_path / "some", images[:20], subjects[:20], nested=False)
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    for train, pattern in (
        (tmp_path / "missing", SUBJECT),
        (tmp_path / "empty", SUBJECT),
        (folder, r"(sub-\w+)_"),
        (folder, r"(?P<subject>["),
        (folder, r"(?P<subject>patient\d+)"),
        (folder, SUBJECT),  # the same people in train and control
    ):
        with pytest.raises(InputError):
            audit_folders(train, folder, folder, pattern, out, config=SMALL)
    assert not out.exists()


def make_study(study: Path, people: tuple[np.ndarray, ...], sizes: tuple[int, ...], selected: np.ndarray) -> np.ndarray:
    images, subjects, labels = people
    split_of = dict(
        zip(np.unique(subjects), np.repeat(["train", "test", "aux", "val"], [*sizes, 400 - sum(sizes)]), strict=True)
    )
    table = pd.DataFrame(
        {
            "image": [f"{s}/{i}.png" for i, s in enumerate(subjects)],
            "subject": subjects,
            "labels": [[label] for label in labels],
            "split": [split_of[s] for s in subjects],
            "sha256": "0" * 64,
        }
    )
    Cohort(table, tuple(sorted(set(labels))), seed=2).save(study)
    save_array(study / "store" / "images.npy", images)
    save_array(study / "candidates" / "selected.npy", selected)
    save_array(study / "candidates" / "selected_targets.npy", np.zeros((len(selected), 3), dtype=np.float32))
    write_json(study / "candidates" / "selected_labels.json", [["No Finding"]] * len(selected))
    return table["split"].to_numpy()


def test_stage_writes_aggregates_and_keeps_rows_private(tmp_path: Path, people: tuple[np.ndarray, ...]) -> None:
    import torch

    images, subjects, _ = people
    train = np.isin(subjects, np.unique(subjects)[:130])
    splits = make_study(tmp_path, people, (130, 120, 100), images[train][:80])
    figures = run_stage(tmp_path, SMALL, seed=1, device=torch.device("cpu"), advantage_upper=0.05)
    assert figures["verdict"] == "fail" and figures["advantage"] >= 0.8 and figures["policy_upper"] == 0.05
    assert figures == json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert figures["side"] == 120 and figures["train_subjects"] == 130
    distances = np.load(tmp_path / "audit" / "train_distances.npy")
    assert distances.shape == (130,) and (np.diff(distances) >= 0).all()
    private = json.loads((tmp_path / "audit" / "private.json").read_text())
    nearest = private["pairs"][0]
    assert splits[nearest["train"]] == "train"
    np.testing.assert_array_equal(images[nearest["train"]], images[train][nearest["synthetic"]])


@pytest.mark.parametrize(("sizes", "released"), [((30, 12, 3), 20), ((130, 120, 100), 0)])
def test_stage_that_cannot_play_is_inconclusive(
    tmp_path: Path, people: tuple[np.ndarray, ...], sizes: tuple[int, ...], released: int
) -> None:
    import torch

    make_study(tmp_path, people, sizes, people[0][:released])
    figures = run_stage(tmp_path, SMALL, seed=1, device=torch.device("cpu"), advantage_upper=0.05)
    assert figures["verdict"] == "inconclusive" and figures["reasons"]
    assert figures["advantage"] is None and figures["advantage_upper"] == 1.0


def test_a_tiny_study_is_played_and_inconclusive(tmp_path: Path, people: tuple[np.ndarray, ...]) -> None:
    import torch

    make_study(tmp_path, people, (20, 8, 10), people[0][-12:])
    figures = run_stage(tmp_path, SMALL, seed=1, device=torch.device("cpu"), advantage_upper=0.05)
    assert figures["verdict"] == "inconclusive" and 0.05 < figures["advantage_upper"] <= 1.0
