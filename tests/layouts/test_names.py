"""The files that a table or list names: doubled, absent, under another spelling, not named."""

from __future__ import annotations

import os
import zipfile

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
