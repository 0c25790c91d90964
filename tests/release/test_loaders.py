"""What a recipient does with a release: the loaders of Hugging Face and MLCommons find pictures, labels and more."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unpersonal.cohort.misread import read_otherwise
from unpersonal.cohort.soft_labels import rounded
from unpersonal.core.tensors import save_tensors
from unpersonal.release.about import About
from unpersonal.release.card_head import misread
from unpersonal.release.config import ReleaseConfig
from unpersonal.release.croissant import croissant
from unpersonal.release.figures import StudyFigures
from unpersonal.release.metadata import metadata_csv
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import verify_release
from unpersonal.synthesis.figures import LabelSetFigures
from unpersonal.synthesis.soft import SOFT

Alter = Callable[..., StudyFigures]
LABELS = ["normal", "virus", "No Finding|virus", "a, b", 'say "x"', "Ödem", "", "normal|virus|a, b"]
TITLE = 'Chests: "synthetic" # 1'
CLASSES = ("No Finding", "a, b", "normal", 'say "x"', "virus", "Ödem")


@pytest.fixture
def folder(make_study: Callable[..., Path], figures: StudyFigures, alter: Alter, request: Any) -> Path:
    """A release with several labels an image, one without, and class probabilities where the parameter says so."""
    import torch

    study, soft = make_study(), getattr(request, "param", False)
    labels = [LABELS[row % len(LABELS)].split("|") if LABELS[row % len(LABELS)] else [] for row in range(12)]
    (study / "candidates" / "selected_labels.json").write_text(json.dumps(labels), encoding="utf-8")
    if soft:
        values = rounded(np.random.default_rng(0).random((12, 6)), CLASSES, exclusive=False)
        facts = {"classes": json.dumps(CLASSES), "exclusive": "false"}
        save_tensors(study / SOFT, {"thousandths": torch.from_numpy(values.thousandths)}, facts)
        figures = alter(figures, "audit", probabilities=True)
    sets = Counter("|".join(row) for row in labels)
    planned = tuple(LabelSetFigures(name, count + 5, count) for name, count in sets.items())
    figures = alter(alter(figures, "synthesis", label_sets=planned), "cohort", classes=CLASSES)
    told = ReleaseConfig(
        title='Chests: "synthetic" # 1', creator="A Hospital", published="2026-12-01", license="cc0-1.0"
    )
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures, told=told)
    return study / "release"


def expected(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Pixels and label of every image by its name, read without a loader."""
    with open(folder / "labels.csv", newline="", encoding="utf-8") as stream:
        rows = {row["file"]: row["label"] for row in csv.DictReader(stream)}
    return {name: (np.asarray(Image.open(folder / "images" / name)).tobytes(), label) for name, label in rows.items()}


@pytest.mark.slow
@pytest.mark.parametrize("folder", [False, True], indirect=True, ids=["hard", "soft"])
@pytest.mark.parametrize("by_card", [False, True], ids=["imagefolder", "by the card"])
def test_hugging_face_finds_pictures_and_labels(
    folder: Path, by_card: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release as it was sent, a zip that was unpacked into a folder with words that loaders look for."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    sent = shutil.make_archive(str(tmp_path / "sent"), "zip", folder)
    folder = tmp_path / "test train (1)"
    shutil.unpack_archive(sent, folder)
    assert verify_release(folder) == []
    given = (str(folder),) if by_card else ("imagefolder",)
    options = {} if by_card else {"data_dir": str(folder)}
    [(split, found)] = datasets.load_dataset(*given, **options, cache_dir=str(tmp_path / "cache")).items()
    soft = (folder / "probabilities.csv").is_file()
    assert split == "train" and found.num_rows == 12
    assert found.column_names == ["image", "label", *(f"probability_{name}" for name in CLASSES if soft)]
    pairs = sorted((np.asarray(row["image"]).tobytes(), row["label"] or "") for row in found)
    assert pairs == sorted(expected(folder).values())
    if soft:
        with open(folder / "probabilities.csv", newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))[1:]
        told = [[row[f"probability_{name}"] for name in CLASSES] for row in found]
        assert told == [[float(value) for value in row[1:]] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("folder", [False, True], indirect=True, ids=["hard", "soft"])
def test_mlcroissant_validates_and_reads_records(folder: Path) -> None:
    import mlcroissant

    found = mlcroissant.Dataset(folder / "croissant.json")
    issues = found.metadata.ctx.issues
    assert not issues.errors and not issues.warnings, issues.report()
    assert found.metadata.ctx.is_v1_1() and found.metadata.data_limitations and found.metadata.data_biases
    assert found.metadata.personal_sensitive_information and found.metadata.data_social_impact
    told = expected(folder)
    rows = list(found.records("records"))
    assert len(rows) == 12
    for row in rows:
        pixels, label = told[row["records/file_name"].decode()]
        assert np.asarray(row["records/image"].convert("L")).tobytes() == pixels
        assert (row["records/label"] or b"").decode() == label
    if (folder / "probabilities.csv").is_file():
        numbers = [value for name, value in rows[0].items() if name.startswith("records/probability_")]
        assert len(numbers) == 6 and all(isinstance(value, float) for value in numbers)


def test_the_head_of_the_card_is_what_hugging_face_reads(folder: Path) -> None:
    from huggingface_hub import DatasetCard

    assert verify_release(folder) == []
    card = DatasetCard.load(folder / "README.md")
    assert card.data.pretty_name == TITLE and card.data.license == "cc0-1.0"
    assert {"synthetic", "medical"} <= set(card.data.tags) and card.data.size_categories == ["n<1K"]
    assert card.data.task_categories == ["image-classification"]
    assert card.data.task_ids == ["multi-label-image-classification"]
    text = " ".join(card.text.split())
    for section in ("## Terms of use", "## Citation", "## Datasheet", "### Motivation", "### Uses"):
        assert section in text
    assert "author = {A Hospital}" in text and "names `cc0-1.0` as its licence" in text
    assert "None is a photograph" not in text and "None was copied" not in text


def test_a_release_under_terms_names_no_licence(figures: StudyFigures) -> None:
    from unpersonal.release.card import card

    about = About(
        images=1500,
        shape=(1, 8, 8),
        classes=("a",),
        figures=figures,
        policy=PolicyConfig(profile="agreement"),
        version="0",
        told=ReleaseConfig(license="mit"),
    )
    text = card(about)
    assert "license: other\nlicense_name: terms-of-use\n" in text and "- 1K<n<10K" in text and "mit" not in text.split()
    assert "will not pass it on" in str(croissant(about, {})["license"])


def test_margins_that_were_set_in_place_of_the_profiles_are_told(figures: StudyFigures) -> None:
    from unpersonal.release.card import dataset_card

    facts: dict[str, Any] = {"images": 9, "shape": (1, 8, 8), "classes": ["a"], "figures": figures, "version": "0"}
    text = " ".join(dataset_card(**facts, policy=PolicyConfig(audit_membership_upper=0.7)).split())
    assert "the margins of the profile `open`, but for AUROC of membership 0.7 in place of 0.55. That profile" in text
    text = " ".join(dataset_card(**facts, policy=PolicyConfig()).split())
    assert "the margins of the profile `open`. That profile asks nothing of recipients." in text


def test_a_study_under_terms_with_a_licence_is_refused(tmp_path: Path) -> None:
    from unpersonal.study import StudyConfig

    values = {"cohort": {"images": str(tmp_path)}, "release": {"license": "mit"}}
    assert StudyConfig.model_validate(values).release.license == "mit"
    with pytest.raises(ValueError, match=re.escape("policy.profile is 'agreement', whose recipients sign terms")):
        StudyConfig.model_validate({**values, "policy": {"profile": "agreement"}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", ""),
        ("title", "a\nb"),
        ("creator", "a\x1b[31m"),
        ("url", "javascript:x"),
        ("license", "my own; see there"),
        ("published", "1.12.2026"),
        ("published", "2026-13-01"),
    ],
)
def test_settings_that_would_break_a_card_are_refused(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=key):
        ReleaseConfig.model_validate({key: value})


def test_labels_that_loaders_take_for_something_else_are_told() -> None:
    assert misread(["a", "virus"]) == "" == misread([])
    assert "take the label `None` for a missing value" in misread(["None", "virus"])
    assert "All labels are numbers" in misread(["0", "1"]) and "becomes" not in misread(["0", "1"])
    assert misread(["0", "1"], several=True) == ""
    assert "`01` becomes 1" in misread(["01", "02"]) and "`NA`" in misread(["NA", "7"])
    assert "All labels are truth values" in misread(["true", "false"]) and misread(["true", "maybe"]) == ""
    assert "dtype=str, keep_default_na=False" in misread(["nan", "virus"])


NAMES = ("None", "NA", "nan", "null", "true", "01", "7", "1e3", "inf")


@pytest.mark.parametrize("labels", [NAMES, ("0", "1"), ("true", "false"), ("01", "02", ""), ("NA", "3")])
def test_labels_of_any_name_are_read_as_text_by_those_who_ask_for_it(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """As the card and `init` say it; without that, what `read_otherwise` tells is what comes."""
    import pandas as pd
    from datasets import Features, Value, load_dataset

    path = tmp_path / "metadata.csv"
    path.write_bytes(metadata_csv([f"{n}.png" for n in range(len(labels))], labels))
    assert pd.read_csv(path, dtype=str, keep_default_na=False)["label"].tolist() == list(labels)
    text = Features({"file_name": Value("string"), "label": Value("string")})
    options = {"data_files": str(path), "split": "train", "cache_dir": str(tmp_path / "cache")}
    assert load_dataset("csv", features=text, keep_default_na=False, **options)["label"] == list(labels)
    plain = pd.read_csv(path)["label"].tolist()
    other = {name for name, value in zip(labels, plain, strict=True) if not isinstance(value, str) and name}
    assert other == set(read_otherwise(labels)) and other


def test_a_class_may_be_called_as_a_column_is() -> None:
    soft = rounded(np.array([[0.25, 0.75]]), ("label", "file_name"), exclusive=True)
    assert metadata_csv(["x.png"], ["label"], soft).decode().splitlines() == [
        *("file_name,label,probability_label,probability_file_name", "images/x.png,label,0.250,0.750")
    ]
