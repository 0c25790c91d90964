"""Which layout an input has, and what is asked where that is not clear."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from unpersonal.layouts.read import read_listing
from unpersonal.layouts.recognise import recognise

from ..journeys.cohort_cases import (
    encoded,
    init,
    try_init,
    write_files,
)
from ..journeys.cohort_cases import (
    refused as init_refused,
)
from .cases import FOLDER, SUBJECT, chexpert_tree, configure, nih_tree, notes, put, refused


def test_recognise(folder, tmp_path):
    assert recognise(folder) == "folder"
    for name, layout in (("a.csv", "table"), ("a.TSV", "table"), ("a.parquet", "table"), ("a.txt", "filelist")):
        (tmp_path / name).write_text("x")
        assert recognise(tmp_path / name) == layout


def test_mixed_and_ambiguous_inputs(tmp_path):
    root = nih_tree(chexpert_tree(tmp_path / "two"))
    assert "--layout" in refused(root, "tables of chexpert .*tables of nih")
    assert read_listing(configure(images=root, layout="chexpert", uncertain="one"), Path(".")).layout == "chexpert"
    for names, match in (
        (("a/1.png", "a/2.dcm"), "1 image and 1 DICOM file"),
        (("a/1.nii.gz", "a/2.dcm", "a/3.dcm"), "2 DICOM files and 1 NIfTI file"),
        (("a/1.nii", "a/2.png"), "1 image and 1 NIfTI file"),
        (("a/2.png", "a/IM1", "a/IM2"), "1 image and 2 DICOM files"),
    ):
        folder = tmp_path / names[0].replace("/", "-")
        for name in names:
            put(folder, name, b"\0" * 128 + b"DICM" if "IM" in name else b"an image")
        refused(folder, match, subject="file")


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({"s/1.dcm": b"x"}, "dicom"),
        ({"s/IM0001": b"\0" * 128 + b"DICM"}, "dicom"),
        ({"s/1.2.840.113619.2": b"\0" * 128 + b"DICM", "notes.txt": b"x"}, "dicom"),
        ({"sub-01/anat/sub-01_T1w.nii.gz": b"x", "participants.tsv": b"x", "dataset_description.json": b"{}"}, "nifti"),
        ({"x/1.png": b"x", "table.csv": b"image,label"}, "folder"),
        ({"x/README": b"x", "x/1.jpg": b"x"}, "folder"),
    ],
)
def test_recognised_from_the_folder_and_from_the_zip_alone(tmp_path, files, layout):
    for name, content in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert recognise(tmp_path / "in") == recognise(tmp_path / "in.zip") == layout


@pytest.mark.slow
@pytest.mark.parametrize("base", ["", "data/"])
def test_folders_of_splits_are_asked_about(tmp_path, people, base):
    part = {name: "test" if int(name[4:]) % 4 == 0 else "train" for name in people.subjects}
    files = {
        f"{base}{part[subject]}/{label}/{subject}_{visit}.png": encoded(image)
        for subject, label, visit, image in zip(
            people.subjects, people.labels, people.visits, people.images, strict=True
        )
    }
    images = write_files(tmp_path / "in", files)
    subject = ("--subject", SUBJECT)
    init_refused(
        try_init(tmp_path / "s", images, *subject), "look like splits", "--layout huggingface", "--layout folder"
    )
    found = init(tmp_path / "s", images, *subject, "--layout", "huggingface")
    given = found.table.set_index("image")["split"]
    assert all(given[name] == "test" for name in files if "/test/" in f"/{name}")
    assert "divided anew" in notes(init(tmp_path / "t", images, *FOLDER))
    message = init_refused(
        try_init(tmp_path / "u", images, *FOLDER, "--split-conflict", "train"), "--layout huggingface"
    )
    assert "--split-column" not in message
