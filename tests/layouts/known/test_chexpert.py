"""CheXpert on small trees of its true shape: true header lines, true paths."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest

from unpersonal.layouts.labels import CHEXPERT14
from unpersonal.layouts.recognise import recognise

from ...journeys.cohort_cases import (
    init,
    try_init,
    write_files,
)
from ...journeys.cohort_cases import (
    refused as init_refused,
)
from ..cases import (
    CHEXPERT_ROWS,
    VIEW,
    checked_listing,
    chexpert_files,
    chexpert_row,
    chexpert_table,
    chexpert_tree,
    listing_of,
    notes,
    put,
    refused,
    write,
)


@pytest.mark.parametrize(
    ("root", "prefix"),
    [
        ("CheXpert-v1.0-small", "CheXpert-v1.0-small/"),
        ("CheXpert-v1.0", "CheXpert-v1.0/"),
        ("elsewhere", "CheXpert-v1.0/"),
        ("bare", ""),
    ],
)
def test_chexpert(tmp_path, root, prefix):
    listing = checked_listing(chexpert_tree(tmp_path / root, prefix), "chexpert", 7, uncertain="zero")
    assert listing.classes == CHEXPERT14 and listing.official and not listing.refused
    expected = {}
    for split, rows in CHEXPERT_ROWS.items():
        for path, _, flags in rows:
            labels = tuple(n for n, flag in zip(CHEXPERT14, flags.split(","), strict=True) if flag == "1.0")
            expected[f"{split}/{path}"] = (path.split("/")[0], labels, {"valid": "val"}.get(split, split))
    assert {r.image: (r.subject, r.labels, r.split) for r in listing.records} == expected
    assert listing.ignored == 2 and not listing.notes


def test_chexpert_policies_views_and_scheme(tmp_path):
    root = chexpert_tree(tmp_path / "CheXpert-v1.0-small")
    listing = checked_listing(root, "chexpert", 7)
    assert {row[0]: row[1] for row in listing.refused} == {
        "train/patient00002/study2/view1_frontal.jpg": "label-uncertain",
        "train/patient00004/study1/view1_frontal.jpg": "label-uncertain",
    }
    listing = checked_listing(root, "chexpert", 7, views="frontal", labels="chest8")
    assert {record.subject: record.labels[0] for record in listing.records} == {
        "patient00001": "No Finding", "patient00003": "Edema", "patient64542": "No Finding",
    }  # fmt: skip
    assert {row[0].split("/", 1)[1].rsplit("/", 1)[0]: row[1] for row in listing.refused} == {
        # a fracture is certain, so whatever else is uncertain there is no class to be selected for
        "patient00002/study2": "other-finding",
        "patient00002/study1": "view",
        "patient00004/study1": "label-uncertain",
        "patient64541/study1": "several-findings",
    }
    listing = checked_listing(root, "chexpert", 7, uncertain="one", classes=["Edema", "Cardiomegaly"])
    assert listing.classes == ("Edema", "Cardiomegaly")
    assert Counter(record.labels for record in listing.records) == {
        (): 3, ("Edema",): 1, ("Cardiomegaly",): 1, ("Edema", "Cardiomegaly"): 2,
    }  # fmt: skip
    refused(root, "'Oedema' is no observation", classes=["Oedema"])


def test_chexpert_test_part_absent_images_and_the_layout_of_the_full_download(tmp_path):
    root = chexpert_tree(tmp_path / "CheXpert-v1.0-small")
    header = ",".join(("Path", *CHEXPERT14))
    put(root, "test.csv", f"{header}\ntest/patient64741/study1/view1_frontal.jpg,{','.join('0' * 14)}\n"
          f"test/patient64742/study1/view2_lateral.jpg,{','.join('0' * 14)}\n")  # fmt: skip
    listing = checked_listing(root, "chexpert", 9, uncertain="zero", views="frontal")
    tested = [record for record in listing.records if record.split == "test"]
    assert [record.image for record in tested] == ["test/patient64741/study1/view1_frontal.jpg"]  # listed, not there
    assert Counter(row[1] for row in listing.refused) == {"view": 2}
    for part in ("train", "valid"):
        (root / part).rename(root / f"CheXpert-v1.0 batch 1 ({part})")
    listing = checked_listing(root, "chexpert", 9, uncertain="zero", official_splits=False)
    assert sum((root / record.image).is_file() for record in listing.records) == 7
    assert not listing.official and listing.records[0].split is None


def test_a_train_csv_of_something_else_is_not_chexpert(tmp_path):
    put(tmp_path / "x", "train.csv", "Path,label\na.png,1\n")
    put(tmp_path / "x", "cat/a.png")
    assert recognise(tmp_path / "x") == "folder"
    refused(tmp_path / "x", "no train.csv or valid.csv", layout="chexpert")


FULL = {"train": "CheXpert-v1.0 batch 2 (train 1)", "valid": "CheXpert-v1.0 batch 1 (validate & csv)"}


@pytest.mark.parametrize("folders", [{"train": "train", "valid": "valid"}, FULL], ids=["small", "full"])
@pytest.mark.parametrize("prefix", ["", "CheXpert-v1.0-small/"])
def test_a_row_never_gets_the_file_of_another_split(tmp_path, folders, prefix):
    for split, label in (("train", "Edema"), ("valid", "Pneumothorax")):
        write(tmp_path, f"{split}.csv", text=chexpert_table(chexpert_row(f"{prefix}{split}/{VIEW}", label)))
    files = {split: f"{folder}/{VIEW}" for split, folder in folders.items()}
    for there in (("train",), ("valid",), ("train", "valid")):
        write(tmp_path, *(files[split] for split in there))
        found = {record.labels[0]: record.image for record in listing_of(tmp_path).records}
        for split, label in (("train", "Edema"), ("valid", "Pneumothorax")):  # absent: named where it should be
            assert found[label] == (files[split] if split in there else f"{split}/{VIEW}")
        for split in there:
            (tmp_path / files[split]).unlink()


def test_files_without_a_folder_of_their_split(tmp_path):
    write(tmp_path, f"latest/{VIEW}", "train.csv", text=chexpert_table(chexpert_row(f"train/{VIEW}", "Edema")))
    assert [record.image for record in listing_of(tmp_path).records] == [f"latest/{VIEW}"]
    write(tmp_path, "valid.csv", text=chexpert_table(chexpert_row(f"valid/{VIEW}", "Fracture")))
    assert VIEW in refused(tmp_path, "1 file is meant by several rows")
    write(tmp_path, f"valid/{VIEW}", f"train/{VIEW}")
    assert len({record.image for record in listing_of(tmp_path).records}) == 2
    rows = [chexpert_row(VIEW, "Edema"), chexpert_row(VIEW.replace("001/", "002/"), "Edema")]
    for name, row in zip(("train.csv", "valid.csv"), rows, strict=True):  # paths that name no split: the table does
        write(tmp_path, name, text=chexpert_table(row))
    (tmp_path / f"latest/{VIEW}").unlink()
    assert f"train/{VIEW}" in {record.image for record in listing_of(tmp_path).records}


@pytest.mark.slow
def test_images_left_out_by_choice_are_not_called_damaged(tmp_path, people):
    files = chexpert_files(people)
    for name in ("train.csv", "valid.csv"):
        rows = list(csv.reader(io.StringIO(files[name].decode())))
        at = rows[0].index("Pleural Effusion")
        for row in rows[1:]:
            row[at] = "-1.0" if row[at] == "1.0" else row[at]
        files[name] = "\n".join(map(",".join, rows)).encode()
    left = sum(label == "Pleural Effusion" for label in people.labels)
    damaged = next(n for n in files if n.startswith("train/") and files["train.csv"].decode().count(n))
    images = write_files(tmp_path / "c", files)
    words = ("--classes", "No Finding,Pleural Effusion")
    message = init_refused(try_init(tmp_path / "s", images, *words), f"{left} of {len(people)} images are left out")
    assert "say with --uncertain" in message and "check these files" not in message
    assert "--label-column" not in message and "check --classes" in message
    (images / damaged).write_bytes(b"no image")
    init_refused(try_init(tmp_path / "s", images, *words), "1 of", "images cannot be used", "check these files")


@pytest.mark.slow
def test_splits_that_are_not_there(tmp_path, people):
    files = chexpert_files(people)
    lost = sum(name.startswith("valid/") for name in files)
    del files["valid.csv"]
    said = notes(init(tmp_path / "c", write_files(tmp_path / "chexpert", files)))
    assert "valid.csv is not there" in said and f"{lost} image files are not listed" in said
