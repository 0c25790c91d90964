"""The files that a table or list names: doubled, absent, under another spelling, not named."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from unpersonal.core.errors import InputError
from unpersonal.layouts.labels import CHEXPERT14

from ..journeys.cohort_cases import (
    init,
    try_init,
)
from ..journeys.cohort_cases import (
    refused as init_refused,
)
from .cases import VIEW, chexpert_row, chexpert_table, cohort_refused, listing_of, notes, refused, write


def test_names_that_are_no_text(tmp_path):
    (tmp_path / "a").mkdir()
    with open(os.path.join(os.fsencode(tmp_path), b"a", b"\xff.png"), "wb") as stream:
        stream.write(b"x")
    cohort_refused("not plain text", images=tmp_path, subject="file")


def test_two_rows_for_one_file_in_every_layout_that_searches(tmp_path):
    rows = (chexpert_row(prefix + f"train/{VIEW}", "Edema") for prefix in ("", "CheXpert-v1.0/"))
    refused(write(tmp_path / "c", "train.csv", text=chexpert_table(*rows)), "meant by several rows")
    nih = "Image Index,Finding Labels,Patient ID,View Position\na/1.png,Mass,1,PA\nb/1.png,Edema,2,PA\n"
    write(tmp_path / "n", "images/1.png")
    refused(write(tmp_path / "n", "Data_Entry_2017.csv", text=nih), "1 file is meant by several rows .*1.png")
    mimic = write(tmp_path / "m", "files/p10/p100/s1/abc.jpg")
    write(mimic, "mimic-cxr-2.0.0-split.csv", text="dicom_id,study_id,subject_id,split\nabc,1,100,train\n"
          "abc,2,200,test\n")  # fmt: skip
    labels = f"subject_id,study_id,{','.join(CHEXPERT14)}\n100,1,1.0{',' * 13}\n200,2,1.0{',' * 13}\n"
    write(mimic, "mimic-cxr-2.0.0-chexpert.csv", text=labels)
    refused(mimic, "1 file is meant by several rows .*abc.jpg")


@pytest.mark.parametrize("packed", [False, True])
def test_images_that_a_table_or_list_does_not_name(tmp_path, packed):
    root = write(tmp_path / "in", "a/1.png", "a/2.png", "a/3.jpg", "v.dcm", "w.dcm", ".hidden", "x.xyz", "README")
    write(root, "t.csv", text="image,subject,label\na/1.png,s,k\nv.dcm#frame=0,s,k\n")
    write(root, "t.txt", text="a/1.png 0 1\nv.dcm#frame=0 0 1\n")
    values = {"t.csv": {}, "t.txt": {"subject": "file", "classes": ["k", "l"]}}
    if packed:
        (root / "t.csv").rename(tmp_path / "t.csv")
        (root / "t.txt").rename(tmp_path / "t.txt")
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for path in root.rglob("*"):
                archive.write(path, path.relative_to(root).as_posix())
    for name, options in values.items():
        path = tmp_path / name if packed else root / name
        listing = listing_of(path, **options, **({"root": tmp_path / "in.zip"} if packed else {}))
        other = "" if packed else {"t.csv": ", 1 .txt", "t.txt": ", 1 .csv"}[name]
        kinds = sorted(f"1 .dcm, 1 .xyz, 1 without suffix{other}".split(", "))
        assert listing.ignored == 6 + (not packed)
        assert listing.notes[0] == f"2 image files are not listed in {name} and were left out."
        count, found = listing.notes[1].rstrip(".").split(" files of other kinds were ignored: ")
        assert sorted(found.split(", ")) == kinds and int(count) == len(kinds) and len(listing.notes) == 2


def test_a_folder_beside_the_images_that_nobody_may_read(tmp_path, monkeypatch):
    write(tmp_path, "1.png", "t.csv", text="image,subject,label\n1.png,s,k\n")

    def deny(self) -> list[str]:
        raise InputError("A folder cannot be read", where="lost+found", how="allow reading")

    monkeypatch.setattr("unpersonal.images.archives.FolderArchive.names", deny)
    listing = listing_of(tmp_path / "t.csv")
    assert len(listing.records) == 1 and listing.ignored == 0


@pytest.mark.slow
@pytest.mark.parametrize("change", [str.upper, lambda name: name.removesuffix(".png")], ids=["capitals", "no suffix"])
def test_listed_names_that_lie_there_under_another_spelling(tmp_path, table, root, change):
    every = table(lambda i, row: row.update(image=change(row["image"])))
    message = init_refused(
        try_init(tmp_path / "s", every, *root), "under another spelling", "images/0000.png", "suffix"
    )
    assert "with --root" not in message
    some = table(lambda i, row: row.update(image=change(row["image"]) if i < 2 else row["image"]))
    found = init(tmp_path / "s", some, *root)
    assert "2 listed images are missing, but lie there" in notes(found)
    assert list(found.reasons.values()) == ["missing"] * 2
    lines = [f"{change(f'images/{i:04d}.png')} 1 0 0 0 0 0 0 0" for i in range(9)]
    (tmp_path / "l.txt").write_text("\n".join(lines))
    init_refused(try_init(tmp_path / "t", tmp_path / "l.txt", *root, "--subject", "file"), "under another spelling")


PLAIN, APART = "J\u00fcrgen \u00e9.png", "Ju\u0308rgen e\u0301.png"


def listed_in(root: Path, names: list[str], rows: list[str]) -> list[str]:
    write(root, *names)
    lines = "".join(f"{row},p{i},a\n" for i, row in enumerate(rows))
    (root / "t.csv").write_text(f"image,subject,label\n{lines}", encoding="utf-8")
    return [record.image for record in listing_of(root / "t.csv").records]


@pytest.mark.parametrize(
    ("listed", "file"),
    [
        (PLAIN, APART),
        (APART, PLAIN),
        ("a b.png", "a\u00a0b.png"),
        ("a\u202fb.png", "a b.png"),
        ("a\u200b.png", "a.png"),
        ("\uff11.png", "1.png"),
        ("sub\\\\a.png", "sub/a.png"),
        ("sub\\" + PLAIN, "sub/" + APART),
    ],
)
def test_a_listed_name_means_the_file_that_looks_so(tmp_path, listed, file):
    assert listed_in(tmp_path, [file, "other.png"], [listed, "other.png"]) == sorted([file, "other.png"])


def test_the_file_of_exactly_that_name_counts_first(tmp_path):
    names = [PLAIN, APART]
    assert listed_in(tmp_path, names, names) == sorted(names)


def test_two_files_or_two_rows_of_one_look_are_an_error_that_shows_code_points(tmp_path):
    with pytest.raises(InputError, match=r"means several files .*U\+0308.* and .*U\+00FC"):
        listed_in(tmp_path / "a", [PLAIN, APART], [PLAIN.replace("\u00e9", "\u200b\u00e9")])
    with pytest.raises(InputError, match=r"1 file is meant by several rows .*U\+0308.* and .*U\+00FC"):
        listed_in(tmp_path / "b", [APART], [PLAIN, APART])


def test_lists_and_metadata_find_their_files_too(tmp_path):
    write(tmp_path, f"img/{APART}", "img/b.png")
    (tmp_path / "l.txt").write_text(f"img\\{PLAIN} 1 0\nimg/b.png 0 1\n", encoding="utf-8")
    found = listing_of(tmp_path / "l.txt", subject="file", classes=["x", "y"])
    assert [record.image for record in found.records] == sorted([f"img/{APART}", "img/b.png"])
    rows = [
        {"file_name": PLAIN, "\ufeffsubject": "p", "label\u00a0": "x"},
        {"file_name": "b.png", "subject": "q", "label": "y"},
    ]
    (tmp_path / "img" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "l.txt").unlink()
    found = listing_of(tmp_path, layout="huggingface")
    assert {record.image: (record.subject, record.labels) for record in found.records} == {
        f"img/{APART}": ("p", ("x",)),
        "img/b.png": ("q", ("y",)),
    }


def test_columns_folders_and_classes_have_one_spelling(tmp_path):
    write(tmp_path, "\u00d6dem/p1.png", "O\u0308dem/p2.png", "normal\u200b/p3.png")
    found = listing_of(tmp_path, layout="folder", subject=r"(?P<subject>p\d)", classes=["normal", "O\u0308dem"])
    assert found.classes == ("normal", "\u00d6dem")
    assert sorted(record.labels[0] for record in found.records) == ["normal", "\u00d6dem", "\u00d6dem"]
    table = tmp_path / "t.csv"
    table.write_text("\ufeffbild\u00a0name,\uff49d,gru\u0308n\nnormal\u200b/p3.png,P1,x\n", encoding="utf-8")
    named = {"image_column": "bild name", "subject_column": "id", "label_column": "gr\u00fcn"}
    assert [record.subject for record in listing_of(table, **named).records] == ["P1"]


def test_a_pattern_finds_letters_however_a_file_composes_them(tmp_path):
    write(tmp_path, "a/Ju\u0308rgen-1.png", "b/J\u00fcrgen-2.png")
    found = listing_of(tmp_path, layout="folder", subject="(?P<subject>J\u00fcrgen)")
    assert [record.subject for record in found.records] == ["J\u00fcrgen"] * 2
