"""What a newcomer's input looks like, and the sentence of `unpersonal init` that leads on."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.labels import CHEXPERT14, doubts
from unpersonal.layouts.options import given_options
from unpersonal.layouts.read import read_listing

from ..journeys.cohort_cases import (
    SUBJECT,
    Found,
    People,
    draw_people,
    encoded,
    init,
    refused,
    run,
    try_init,
    write_files,
    zip_files,
)

FOLDER = ("--layout", "folder", "--subject", SUBJECT)
Change = Callable[[int, dict[str, str]], None]


@pytest.fixture(scope="module")
def people() -> People:
    return draw_people(60)


@pytest.fixture(scope="module")
def pictures(people, tmp_path_factory) -> Path:
    """`images/0000.png` … of the people; tables go beside the folder."""
    files = {f"images/{i:04d}.png": encoded(image) for i, image in enumerate(people.images)}
    return write_files(tmp_path_factory.mktemp("pictures"), files)


@pytest.fixture
def table(people, pictures, tmp_path) -> Callable[..., Path]:
    """A function that writes the table of the people with a change in every row, and its root into the options."""

    def make(change: Change | None = None, name: str = "table.csv") -> Path:
        rows = []
        for i, (subject, label) in enumerate(zip(people.subjects, people.labels, strict=True)):
            rows.append({"image": f"images/{i:04d}.png", "subject": subject, "label": label})
            if change:
                change(i, rows[-1])
        pd.DataFrame(rows).to_csv(tmp_path / name, index=False, na_rep="")
        return tmp_path / name

    return make


@pytest.fixture
def root(pictures) -> tuple[str, str]:
    return ("--root", str(pictures))


def notes(found: Found) -> str:
    return " | ".join(found.json["notes"])


# labels


@pytest.mark.parametrize("word", ["#N/A", "N/A", "nan", "null", "#VALUE!"])
def test_what_programs_write_for_nothing_is_a_blank(tmp_path, table, root, word):
    def half(i: int, row: dict[str, str]) -> None:
        row["label"] = word if i % 2 else row["label"]

    path = table(half)
    refused(try_init(tmp_path / "s", path, *root), "rows have no label", "N/A, nan", "--missing ignore")
    found = init(tmp_path / "s", path, *root, "--missing", "ignore")
    assert word not in found.json["labels"] and set(found.reasons.values()) == {"label-missing"}


def test_words_that_may_mean_no_label_are_pointed_out(tmp_path, table, root):
    found = init(tmp_path / "s", table(lambda i, row: row.update(label="none" if i % 2 else "ill")), *root)
    assert "none" in found.json["labels"]
    assert "'none' was taken as a label like any other" in notes(found) and "--missing" in notes(found)


def test_spellings_of_a_label_and_two_labels_in_one_cell(tmp_path, table, root):
    names = ("Edema", "edema", "Edema, Devices", "Other")
    path = table(lambda i, row: row.update(label=names[int(row["subject"][4:]) % 4]))
    said = notes(init(tmp_path / "s", path, *root))
    assert "1 label is written in several ways ('Edema' and 'edema')" in said
    assert "1 label holds a comma or semicolon ('Edema, Devices')" in said and "write several labels as a|b" in said

    rare = table(lambda i, row: row.update(label="Edema, Devices" if i == 0 else row["label"]))
    refused(try_init(tmp_path / "t", rare, *root), "'Edema, Devices' (1 subject)", "write several labels as a|b")


@pytest.mark.parametrize(
    "labels", [("No Finding", "Edema"), ("normal", "bacteria"), ("0", "1"), ("x, ", "y"), ("ER+", "ER-")]
)
def test_ordinary_labels_are_not_doubted(labels):
    assert doubts(labels) == []


# options


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (
            ("--subject-column", "subject", "--subject", r"(\d)(?P<subject>\d+)"),
            ("--subject and --subject-column both",),
        ),
        (("--label-column", "label", "--label-columns", "a,b"), ("--label-columns and --label-column both",)),
        (("--label-from", "folder"), ("table does not read --label-from",)),
        (("--slice-axis", "axial"), ("table does not read --slice-axis", "nifti")),
        (("--slice-range", "0.25,0.75", "--slice-step", "1"), ("--slice-range, --slice-step",)),
        (("--views", "all"), ("table does not read --views",)),
        (("--missing", "one"), ("--missing one says nothing", "--missing ignore")),
        (("--window", "nan,80"), ("--window: ", "options named above")),
        (("--subject", r"x(?P<person>\d+)"), (r"'x(?P<person>\d+)' has no group", "--subject: ")),
        (("--subject", r"x(?P<subject>\d+)"), (r"The pattern 'x(?P<subject>\d+)' finds no subject",)),
        (("--size", "50", "--preset", "cpu"), ("use 48 or 56",)),
        (("--window", "40,80"), ("--window is about images deeper than 8 bits", "leave out --window")),
        (("--no-official-splits",), ("leave out --no-official-splits",)),
        (("--split-conflict", "train"), ("--split-column",)),
        (("--text-column", "subject"), ("--text-column names 'subject', the column of subjects",)),
        (("--text-column", "image"), ("the column of images",)),
        (("--text-column", "label"), ("the column of labels",)),
        (("--text-column", "subject", "--subject", r"(?P<subject>\d+)"), ("the column of subjects",)),
    ],
)
def test_options_in_their_own_words(tmp_path, table, root, words, fragments):
    message = refused(try_init(tmp_path / "s", table(), *root, *words), *fragments)
    assert "\\\\" not in message and "cohort." not in message and "keys" not in message


def test_a_study_toml_that_names_every_key_names_no_option(tmp_path, table, root):
    init(tmp_path / "s", table(), *root)
    assert run("run", tmp_path / "s", "--until", "cohort").exit_code == 0
    assert given_options(CohortConfig(images=".", slice_axis="axial")) == {"images", "slice_axis"}


def test_the_window_of_some_images(tmp_path, table, pictures, people):
    files = {path.relative_to(pictures).as_posix(): path.read_bytes() for path in pictures.rglob("*.png")}
    deep = [name for i, name in enumerate(sorted(files)) if i % 3 == 0]
    wide = people.images.astype(np.uint16) * 200
    files |= {name: encoded(wide[int(name[-8:-4])]) for name in deep}
    table()
    found = init(tmp_path / "s", write_files(tmp_path, files) / "table.csv", "--window", "20000,40000")
    assert f"--window changes nothing in {len(files) - len(deep)} of {len(files)} images" in notes(found)


# layouts


def test_names_of_osirix_are_not_those_of_kermany(tmp_path, people):
    files = {}
    for subject, label, visit, image in zip(people.subjects, people.labels, people.visits, people.images, strict=True):
        files[f"{label}/{subject}/IM-0001-{visit:04d}.jpg"] = encoded(image, "JPEG")
    images = write_files(tmp_path / "in", files)
    words = ("--subject", SUBJECT, "--label-from", r"^(?P<label>[^/]+)/")
    assert init(tmp_path / "s", images, *words).json["layout"] == "folder"
    assert len(init(tmp_path / "t", zip_files(tmp_path / "in.zip", files), *words).table) == len(files)


def test_errors_name_the_layout_that_was_recognised(tmp_path, people):
    names = (f"PNEUMONIA/person1_virus_{i}.jpeg" for i in range(20))
    images = write_files(tmp_path / "k", {name: encoded(people.images[i], "JPEG") for i, name in enumerate(names)})
    message = refused(try_init(tmp_path / "s", images), "layout kermany (recognised; else --layout folder)")
    assert "one subject" in message
    assert "recognised" not in refused(try_init(tmp_path / "s", images, "--layout", "kermany"))


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
    refused(try_init(tmp_path / "s", images, *subject), "look like splits", "--layout huggingface", "--layout folder")
    found = init(tmp_path / "s", images, *subject, "--layout", "huggingface")
    given = found.table.set_index("image")["split"]
    assert all(given[name] == "test" for name in files if "/test/" in f"/{name}")
    assert "divided anew" in notes(init(tmp_path / "t", images, *FOLDER))
    message = refused(try_init(tmp_path / "u", images, *FOLDER, "--split-conflict", "train"), "--layout huggingface")
    assert "--split-column" not in message


def test_a_column_of_splits_is_pointed_out(tmp_path, table, root):
    def split(i: int, row: dict[str, str]) -> None:
        row["Split"] = "test" if int(row["subject"][4:]) % 4 == 0 else "train"

    path = table(split)
    assert "--split-column Split keeps them" in notes(init(tmp_path / "s", path, *root))
    config = CohortConfig(images=str(path), root=root[1], split_column="Split")
    assert not any("looks like" in note for note in read_listing(config, Path(".")).notes)
    described = tmp_path / "hf" / "metadata.csv"
    described.parent.mkdir()
    frame = pd.read_csv(path).rename(columns={"image": "file_name"})
    frame.to_csv(described, index=False)
    write_files(tmp_path / "hf", {name: (Path(root[1]) / name).read_bytes() for name in frame["file_name"]})
    assert "--split-column Split keeps them" in notes(init(tmp_path / "u", tmp_path / "hf"))


@pytest.mark.parametrize(
    ("tops", "said"),
    [
        (("train", "test", "extra"), "test, train"),
        (("train_images", "test-images"), "test, train"),
        (("a/train", "b/test"), "test, train"),
        (("TrainSet1", "ValSet1"), "train, val"),
        (("train", "x", "y", "test"), "test, train"),
        (("train", "x", "y", "z", "test"), ""),  # less than half
        (("train", "training_data"), ""),  # one split
        (("latest", "contrast"), ""),  # no words of their own
        (("train_test", "other"), ""),
    ],
)
@pytest.mark.parametrize("layout", ["folder", "huggingface", "table"])
def test_folders_that_hold_the_word_of_a_split(tmp_path, tops, said, layout):
    for i, top in enumerate(tops):
        for label in "ab":
            write_files(tmp_path, {f"x/{top}/{label}/p{i}{label}.png": encoded(np.eye(9, dtype=np.uint8))})
    if layout == "table":
        names = [f"x/{top}/{label}/p{i}{label}.png" for i, top in enumerate(tops) for label in "ab"]
        rows = [f"{name},s{i},{'ab'[i % 2]}" for i, name in enumerate(names)]
        (tmp_path / "t.csv").write_text("image,subject,label\n" + "\n".join(rows))
        config = CohortConfig(images="t.csv")
    else:
        config = CohortConfig(images="x", subject="file", layout=layout)
    found = [note for note in read_listing(config, tmp_path).notes if "look like splits" in note]
    # this layout keeps what is plainly named at the top
    if not said or (layout == "huggingface" and {"train", "test"} & set(tops)):
        assert not found
    else:
        assert len(found) == 1 and f"({said})" in found[0] and "held out" in found[0]
    if layout == "huggingface":
        silent = CohortConfig(images="x", subject="file", layout=layout, official_splits=False)
        assert not any("look like" in note for note in read_listing(silent, tmp_path).notes)


@pytest.mark.parametrize(
    ("column", "cells", "keeps", "noted"),
    [
        ("split", ("train", "test", "holdout"), False, True),
        ("split", ("train", "test", "n/a"), False, True),
        ("dataset_split", ("train", "test", "train"), True, True),
        ("DataSet", ("Train", "Val", "Test"), True, True),
        ("cv fold", ("train_1", "test_1", "train_2"), False, True),
        ("Subset", ("train", "train", "train"), True, True),
        ("split", ("x", "y", "test"), False, False),
        ("split", ("train", "x", "y"), False, False),
        ("fold", ("1", "2", "3"), False, False),
        ("remark", ("train", "test", "val"), False, False),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_that_hold_splits_among_other_cells(tmp_path, column, cells, keeps, noted, kind):
    rows = [{"image": f"{i}.png", "subject": i, "label": "ab"[i % 2], column: cells[i % 3]} for i in range(12)]
    path = tmp_path / f"t.{kind}"
    pd.DataFrame(rows).to_csv(path, index=False) if kind == "csv" else pd.DataFrame(rows).to_parquet(path)
    found = [note for note in read_listing(CohortConfig(images=str(path)), tmp_path).notes if "looks like" in note]
    assert len(found) == noted
    if noted:
        assert f"--split-column {column} keeps them" in found[0] and ("once every row" in found[0]) is not keeps


# public data sets without one of their files


def chexpert_files(people: People) -> dict[str, bytes]:
    lines: dict[str, list[str]] = {"train": [], "valid": []}
    files = {}
    for i, (subject, label, image) in enumerate(zip(people.subjects, people.labels, people.images, strict=True)):
        part = "valid" if int(subject[4:]) % 4 == 0 else "train"
        name = f"{part}/patient{subject[4:]}/study1/view{i}_frontal.jpg"
        flags = ["1.0" if finding == label else "" for finding in CHEXPERT14]
        lines[part].append(",".join([name, "Frontal", *flags]))
        files[name] = encoded(image, "JPEG")
    head = ",".join(["Path", "Frontal/Lateral", *CHEXPERT14])
    return files | {f"{part}.csv": "\n".join([head, *rows]).encode() for part, rows in lines.items()}


def test_public_splits_that_are_not_there(tmp_path, people):
    files = chexpert_files(people)
    lost = sum(name.startswith("valid/") for name in files)
    del files["valid.csv"]
    said = notes(init(tmp_path / "c", write_files(tmp_path / "chexpert", files)))
    assert "valid.csv is not there" in said and f"{lost} image files are not listed" in said

    rows = [
        f"{i}.png,{label},{subject[4:]},PA" for i, (label, subject) in enumerate(zip(people.labels, people.subjects))
    ]
    nih = {"Data_Entry_2017.csv": "\n".join(["Image Index,Finding Labels,Patient ID,View Position", *rows]).encode()}
    nih |= {f"images/{i}.png": encoded(image) for i, image in enumerate(people.images)}
    found = init(tmp_path / "n", write_files(tmp_path / "nih", nih))
    assert "official splits are not there (train_val_list.txt and test_list.txt)" in notes(found)
    config = CohortConfig(images=str(tmp_path / "nih"), official_splits=False)
    assert not any("official" in note for note in read_listing(config, Path(".")).notes)
    write_files(tmp_path / "nih", {"train_val_list.txt": b"0.png\n"})
    refused(try_init(tmp_path / "o", tmp_path / "nih"), "test_list.txt is not there", "--no-official-splits")

    ids = [(f"{i:08x}", f"5{i:07d}", f"1{subject[4:]:0>7}") for i, subject in enumerate(people.subjects)]
    mimic = {f"files/p10/p{p}/s{s}/{i}.jpg": encoded(x, "JPEG") for (i, s, p), x in zip(ids, people.images)}
    listed = ["dicom_id,study_id,subject_id,ViewPosition", *(f"{i},{s},{p},PA" for i, s, p in ids)]
    flags = [",".join("1.0" if finding == label else "" for finding in CHEXPERT14) for label in people.labels]
    labels = [f"subject_id,study_id,{','.join(CHEXPERT14)}", *(f"{p},{s},{f}" for (_, s, p), f in zip(ids, flags))]
    mimic["mimic-cxr-2.0.0-metadata.csv"] = "\n".join(listed).encode()
    mimic["mimic-cxr-2.0.0-chexpert.csv"] = "\n".join(labels).encode()
    said = notes(init(tmp_path / "p", write_files(tmp_path / "mimic", mimic)))
    assert "official splits are not there (mimic-cxr-2.*-split.csv)" in said


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
    message = refused(try_init(tmp_path / "s", images, *words), f"{left} of {len(people)} images are left out")
    assert "say with --uncertain" in message and "check these files" not in message
    assert "--label-column" not in message and "check --classes" in message
    (images / damaged).write_bytes(b"no image")
    refused(try_init(tmp_path / "s", images, *words), "1 of", "images cannot be used", "check these files")


# files of another kind


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
        ("t.csv", gzip.compress(CSV), (), ("This is gzip", ".csv.gz")),
        ("a.png", encoded(np.eye(9, dtype=np.uint8)), (), ("one image", "folder or zip")),
        ("a.dcm", bytes(128) + b"DICM" + bytes(99), (), ("one image", "folder or zip")),
        ("l.txt", encoded(np.eye(9, dtype=np.uint8)), ("--subject", "file"), ("one image",)),
        ("brain.nii.gz", gzip.compress(bytes(348)), (), ("one volume",)),
        ("images.tar.gz", gzip.compress(bytes(512)), (), ("This is gzip", "unpack it")),
        ("t.dat", CSV, (), ("Neither a folder nor a zip archive", ".csv")),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path, name, content, words, fragments):
    (tmp_path / name).write_bytes(content)
    message = refused(try_init(tmp_path / "s", tmp_path / name, *words), *fragments, name)
    assert "Latin-1" not in message and "no images here" not in message


def test_a_quotation_mark_that_nothing_closes(tmp_path, table, root):
    path = table()
    lines = path.read_text().splitlines()
    lines[6] = lines[6].replace("images", '"images', 1)
    path.write_text("\n".join(lines) + "\n")
    refused(try_init(tmp_path / "s", path, *root), "line 7", "quotation mark")


@pytest.mark.parametrize("change", [str.upper, lambda name: name.removesuffix(".png")], ids=["capitals", "no suffix"])
def test_listed_names_that_lie_there_under_another_spelling(tmp_path, table, root, change):
    every = table(lambda i, row: row.update(image=change(row["image"])))
    message = refused(try_init(tmp_path / "s", every, *root), "under another spelling", "images/0000.png", "suffix")
    assert "with --root" not in message
    some = table(lambda i, row: row.update(image=change(row["image"]) if i < 2 else row["image"]))
    found = init(tmp_path / "s", some, *root)
    assert "2 listed images are missing, but lie there" in notes(found)
    assert list(found.reasons.values()) == ["missing"] * 2
    lines = [f"{change(f'images/{i:04d}.png')} 1 0 0 0 0 0 0 0" for i in range(9)]
    (tmp_path / "l.txt").write_text("\n".join(lines))
    refused(try_init(tmp_path / "t", tmp_path / "l.txt", *root, "--subject", "file"), "under another spelling")


def volume() -> bytes:
    import nibabel

    values = np.random.default_rng(0).integers(0, 99, (9, 9, 9)).astype(np.int16)
    return gzip.compress(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())


def test_bids_offers_the_columns_of_participants(tmp_path):
    files = {f"sub-{i:02d}/anat/sub-{i:02d}_PDw.nii.gz": volume() for i in range(3)}
    rows = [f"sub-{i:02d}\t{40 + i}\t{'ill' if i else 'well'}" for i in range(3)]
    files["participants.tsv"] = "\n".join(["participant_id\tage\tdiagnosis", *rows]).encode()
    images = write_files(tmp_path / "bids", files)
    refused(try_init(tmp_path / "s", images), "'anat'", "age, diagnosis", "--label-from participants:diagnosis")


def test_one_is_singular(tmp_path, table, pictures, people):
    path = table(lambda i, row: row.update(image=f"images/{max(i, 1):04d}.png"))
    refused(try_init(tmp_path / "s", path, "--root", pictures), "1 image is listed more than once")
    lines = table().read_text().splitlines()
    lines[1] += ",x"
    path.write_text("\n".join(lines))
    refused(try_init(tmp_path / "s", path, "--root", pictures), "1 row of the table has another number of cells")
    path.write_text("\n".join(line for i, line in enumerate(table().read_text().splitlines()) if i != 1))
    result = run("init", tmp_path / "s", "--images", path, "--root", pictures, "--preset", "tiny")
    assert result.exit_code == 0 and "1 image file is not listed in table.csv and was left out" in result.output
    assert "1 file not used" in result.output and "of other kinds" not in result.output
