"""Class probabilities in a release: only what was attacked, and whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unpersonal.cohort.soft_labels import FILE, from_csv, rounded
from unpersonal.core.errors import PolicyRefused
from unpersonal.core.tensors import save_tensors
from unpersonal.release.figures import StudyFigures
from unpersonal.release.lock import pixel_hash
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import verify_release
from unpersonal.synthesis.selected import load_selected
from unpersonal.synthesis.soft import SOFT

from .conftest import CLASSES
from .test_verify import rewrite_manifest

Alter = Callable[..., StudyFigures]


@pytest.fixture
def study(make_study: Callable[..., Path]) -> Path:
    import torch

    study = make_study()
    values = np.random.default_rng(0).random((12, 2))
    soft = rounded(values / values.sum(1, keepdims=True), CLASSES, exclusive=True)
    facts = {"classes": json.dumps(soft.classes), "exclusive": "true"}
    save_tensors(study / SOFT, {"thousandths": torch.from_numpy(soft.thousandths)}, facts)
    return study


@pytest.fixture
def folder(study: Path, figures: StudyFigures, alter: Alter) -> Path:
    run_stage(study, policy=PolicyConfig(), seed=5, figures=alter(figures, "audit", probabilities=True))
    return study / "release"


def test_every_image_has_its_own_probabilities(study: Path, folder: Path) -> None:
    from PIL import Image

    assert verify_release(folder) == []
    names, found = from_csv((folder / FILE).read_text(encoding="utf-8"))
    with open(folder / "labels.csv", newline="", encoding="utf-8") as stream:
        assert [row["file"] for row in csv.DictReader(stream)] == names
    selected = load_selected(study)
    assert selected.soft is not None
    expected = {
        pixel_hash(image): row for image, row in zip(selected.images, selected.soft.thousandths.tolist(), strict=True)
    }
    for name, row in zip(names, found.thousandths.tolist(), strict=True):
        assert expected[pixel_hash(np.asarray(Image.open(folder / "images" / name))[None])] == row
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["probabilities"] == {"classes": list(CLASSES), "exclusive": True} and FILE in manifest["files"]
    card = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    assert "class probabilities to three digits" in card and "The audit attacked the dataset with them in hand" in card


@pytest.mark.parametrize("attacked", [False, None])
def test_what_the_audit_did_not_attack_is_not_released(
    study: Path, figures: StudyFigures, alter: Alter, attacked: bool | None
) -> None:
    with pytest.raises(PolicyRefused, match="no attack has seen"):
        run_stage(study, policy=PolicyConfig(), seed=5, figures=alter(figures, "audit", probabilities=attacked))
    assert not (study / "release").exists()


def edited(folder: Path, change: Callable[[list[list[str]]], Any]) -> list[str]:
    """Problems after a forger changed the table and the manifest's hashes."""
    with open(folder / FILE, newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    change(rows)
    with open(folder / FILE, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
    rewrite_manifest(folder)
    return verify_release(folder)


CHANGES: dict[str, Callable[[list[list[str]]], Any]] = {
    "sum": lambda rows: rows[1].__setitem__(1, "0.999" if rows[1][1] != "0.999" else "0.001"),
    "range": lambda rows: rows[1].__setitem__(slice(1, 3), ["1.200", "-0.200"]),
    "digits": lambda rows: rows[1].__setitem__(slice(1, 3), ["0.1234567", "0.8765433"]),
    "not a number": lambda rows: rows[1].__setitem__(1, "high"),
    "a line less": lambda rows: rows.pop(),
    "a line twice": lambda rows: rows.append(rows[1]),
    "another order": lambda rows: rows.__setitem__(slice(1, 3), [rows[2], rows[1]]),
    "another file": lambda rows: rows[1].__setitem__(0, "img-999999.png"),
    "another class": lambda rows: rows[0].__setitem__(1, "other"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_altered_probabilities_are_found_even_where_the_manifest_was_altered_with_them(folder: Path, name: str) -> None:
    assert any(FILE in problem for problem in edited(folder, CHANGES[name]))


def test_a_table_that_is_taken_away_or_changed_is_found(folder: Path) -> None:
    data = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(data.replace(b"0.", b"1.", 1))
    assert any("does not match the manifest" in problem for problem in verify_release(folder))
    (folder / FILE).unlink()
    assert f"{FILE}: missing" in verify_release(folder)
    rewrite_manifest(folder)
    assert any(FILE in problem for problem in verify_release(folder))


def test_a_table_that_the_evidence_does_not_speak_of_is_found(folder: Path) -> None:
    evidence = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    evidence["audit"]["probabilities"] = False
    (folder / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")
    rewrite_manifest(folder)
    assert any("does not say that the audit attacked" in problem for problem in verify_release(folder))
