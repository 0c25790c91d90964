"""From configuration to a listing: inputs that cannot be read, options that a layout could only ignore."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unpersonal.core.errors import InputError
from unpersonal.layouts.labels import CHEST8, CHEXPERT14
from unpersonal.layouts.read import image_root

from ..journeys.cohort_cases import (
    encoded,
    try_init,
)
from ..journeys.cohort_cases import (
    refused as init_refused,
)
from .cases import (
    VIEW,
    chexpert_row,
    chexpert_table,
    cohort_refused,
    configure,
    listing_of,
    refused,
    refused_in,
    scan,
    write,
)


def test_missing_path_and_empty_folder(tmp_path):
    cohort_refused("no such file or folder", images=tmp_path / "gone", subject="file")
    cohort_refused("There are no images", images=tmp_path, subject="file")
    (tmp_path / "a.txt").write_text("x")
    cohort_refused("1 other file", images=tmp_path, subject="file")
    (tmp_path / "x.bin").write_text("x")
    cohort_refused("Neither a folder nor a zip", images=tmp_path / "x.bin", subject="file")


def small_trees(root: Path) -> dict[str, Path]:
    """One input of every layout that reads text, by layout."""
    write(root, "x/t.csv", text="image,subject,label\n1.png,s,Edema|Atelectasis\n2.png,t,Edema\n")
    write(root, "x/t.txt", text="1.png 0 1\n")
    write(root, "folder/Edema/1.png")
    write(root, "kermany/PNEUMONIA/person1_virus_6.jpeg")
    write(root, "mednist/Hand/1.png", "mednist/CXR/1.png")
    write(root, "huggingface/metadata.csv", text="file_name,subject,label\n1.png,s,Edema\n")
    nih = "Image Index,Finding Labels,Patient ID,View Position\n1.png,Edema,1,PA\n"
    write(root, "nih/Data_Entry_2017.csv", text=nih)
    found = ("Edema", "Atelectasis")
    write(root, "chexpert/train.csv", text=chexpert_table(chexpert_row(f"train/{VIEW}", *found)))
    write(root, "mimic/mimic-cxr-2.0.0-metadata.csv", text="dicom_id,study_id,subject_id,ViewPosition\nabc,1,10,PA\n")
    labels = f"subject_id,study_id,{','.join(CHEXPERT14)}\n10,1,1.0{',' * 13}\n"
    write(root, "mimic/mimic-cxr-2.0.0-chexpert.csv", text=labels)
    scan(root / "dicom/Edema/1.dcm", "p", "")
    layouts = ("folder", "kermany", "mednist", "huggingface", "nih", "chexpert", "mimic", "dicom")
    return {**{name: root / name for name in layouts}, "table": root / "x" / "t.csv"}


def test_a_scheme_and_other_classes_are_refused_in_every_layout(tmp_path):
    for layout, path in small_trees(tmp_path).items():
        values = {"subject": "file"} if layout == "folder" else {}
        for classes in (["Edema", "Pneumonia"], list(reversed(CHEST8))):
            refused(path, "chest8 has classes of its own", labels="chest8", classes=classes, **values)
    write(tmp_path, "x/t.txt", text="1.png 0 1\n2.png 1 1\n")
    listing = listing_of(tmp_path / "x/t.txt", subject="file", labels="chest8", classes=["Fracture", "Edema"])
    assert [r.image for r in listing.records] == ["1.png"]  # there the classes are the names of the columns
    assert [row[:2] for row in listing.refused] == [("2.png", "several-findings")]


def test_options_about_given_splits_where_there_are_none(tmp_path):
    trees = small_trees(tmp_path)
    for layout in ("folder", "table", "kermany", "mednist", "nih", "huggingface", "mimic", "dicom"):
        values = {"subject": "file"} if layout == "folder" else {}
        for policy in ("error", "train", "test", "drop"):
            refused(trees[layout], "no splits that --split-conflict", split_conflict=policy, **values)
        if layout in ("folder", "table", "mednist", "dicom"):
            refused(trees[layout], "has no official splits", official_splits=False, **values)
        else:
            assert not listing_of(trees[layout], official_splits=False, **values).official
    assert listing_of(trees["chexpert"], split_conflict="drop").records[0].split == "train"
    refused(trees["chexpert"], "no splits that", split_conflict="drop", official_splits=False)
    write(tmp_path, "x/s.csv", text="image,subject,label,part\n1.png,s,a,train\n")
    assert listing_of(tmp_path / "x/s.csv", split_conflict="drop", split_column="part").records[0].split == "train"


def test_the_root_of_the_images(tmp_path):
    write(tmp_path / "in", "a/1.png", "t.csv", "l.txt")
    write(tmp_path, "t.csv")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("1.png", b"x")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "link.zip").symlink_to(tmp_path / "x.zip")
    inside, packed = (tmp_path / "in").resolve(), (tmp_path / "x.zip").resolve()
    for images, root, expected in (
        ("in", None, inside), ("link", None, inside), ("in/../in/a", None, inside / "a"),
        ("in/t.csv", None, inside), ("link/t.csv", None, inside), ("link/l.txt", None, inside),
        ("t.csv", "in/a", inside / "a"), ("t.csv", "link", inside), ("t.csv", "x.zip", packed),
        ("x.zip", None, packed), ("link.zip", None, packed),
    ):  # fmt: skip
        assert image_root(configure(images=images, **({"root": root} if root else {})), tmp_path) == expected
    with pytest.raises(InputError, match="no such file"):
        image_root(configure(images="gone"), tmp_path)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"subject": "dicom"}, "DICOM headers.*layout dicom"),
        ({"label_from": "dicom:StudyDescription"}, "DICOM headers"),
        ({"label_from": "participants:sex"}, "participants.tsv"),
        ({"views": "frontal"}, "frontal"),
    ],
)
def test_options_of_other_layouts(tmp_path, values, match):
    pd.DataFrame([("1.png", "a", "x")], columns=["image", "subject", "label"]).to_csv(tmp_path / "t.csv")
    refused_in(tmp_path, "t.csv", match, **values)
    (tmp_path / "images" / "x").mkdir(parents=True)
    (tmp_path / "images" / "x" / "1.png").write_bytes(b"x")
    refused_in(tmp_path, "images", match, **{"subject": "file", **values})


def workbook(folder: str = "xl") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(f"{folder}/workbook.xml", "<workbook/>")
    return stream.getvalue()


def parquet() -> bytes:
    stream = io.BytesIO()
    pd.DataFrame({"image": ["a.png"]}).to_parquet(stream)
    return stream.getvalue()


CSV = b"image,subject,label\na.png,1,x\n"


SHEET = "save the sheet as CSV (UTF-8)"


@pytest.mark.parametrize(
    ("name", "content", "words", "fragments"),
    [
        ("t.xlsx", workbook(), (), ("Excel workbook", SHEET)),
        ("t.xlsx", workbook(), ("--layout", "table"), ("Excel workbook", SHEET)),
        ("t.csv", workbook(), (), ("Excel workbook", SHEET)),
        ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), (), ("Excel workbook", SHEET)),
        ("t.csv", parquet(), (), ("a Parquet file", ".parquet")),
        ("t.parquet", CSV, (), ("text, not Parquet", ".csv")),
        ("t.csv", gzip.compress(CSV, mtime=0), (), ("This is gzip", ".csv.gz")),
        ("a.png", encoded(np.eye(9, dtype=np.uint8)), (), ("one image", "folder or zip")),
        ("a.dcm", bytes(128) + b"DICM" + bytes(99), (), ("one image", "folder or zip")),
        ("l.txt", encoded(np.eye(9, dtype=np.uint8)), ("--subject", "file"), ("one image",)),
        ("brain.nii.gz", gzip.compress(bytes(348), mtime=0), (), ("one volume",)),
        ("images.tar.gz", gzip.compress(b"x" * 512, mtime=0), (), ("Not a readable tar archive",)),
        ("images.cpio.gz", gzip.compress(bytes(512), mtime=0), (), ("This is gzip", "unpack it")),
        ("t.dat", CSV, (), ("Neither a folder nor a zip archive", ".csv")),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path, name, content, words, fragments):
    (tmp_path / name).write_bytes(content)
    message = init_refused(try_init(tmp_path / "s", tmp_path / name, *words), *fragments, name)
    assert "Latin-1" not in message and "no images here" not in message
