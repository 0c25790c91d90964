"""The fingerprint of an input follows what is read of it, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.fingerprint import fingerprint

from .cases import NIH_ROWS, chexpert_row, chexpert_table, configure, nih_tree, write

NAMED = ("a/1.jfif", "a/2.dat", ".hidden/3.png", "4", "v.dcm")


def changes(root: Path, config: CohortConfig, name: str) -> bool:
    """Whether the fingerprint changes with one more byte of a file."""
    before = fingerprint(config, base=Path("."))
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((path.read_bytes() if path.is_file() else b"") + b"+")
    return fingerprint(config, base=Path(".")) != before


@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
@pytest.mark.parametrize("layout", ["auto", "named"])
def test_the_fingerprint_follows_whatever_a_table_names(tmp_path, name, layout):
    images = [*NAMED[:-1], "v.dcm#frame=0", "v.dcm#frame=1", "gone.png"]
    header, label = ("image,subject,label\n", ",s,a\n") if name == "t.csv" else ("", " 0 1\n")
    write(tmp_path, *NAMED, "stray.png", "study/release/1.png")
    write(tmp_path, name, text=header + "".join(image + label for image in images))
    values = {} if name == "t.csv" else {"classes": ["k", "l"], "subject": "file"}
    kind = {"t.csv": "table", "t.txt": "filelist"}[name] if layout == "named" else "auto"
    config = configure(images=tmp_path / name, layout=kind, **values)
    assert all(changes(tmp_path, config, image) for image in (*NAMED, "gone.png"))
    assert not any(changes(tmp_path, config, other) for other in ("stray.png", "study/release/1.png", "a/5.png"))
    assert changes(tmp_path, config, name)  # the table itself, which a byte at its end may break
    (tmp_path / name).write_bytes(b"\xff")
    assert changes(tmp_path, config, name)


def test_the_fingerprint_of_a_table_with_a_root(tmp_path):
    write(tmp_path / "in", "1.dat")
    write(tmp_path, "t.csv", text="image,subject,label\n1.dat,s,a\n")
    assert changes(tmp_path / "in", configure(images=tmp_path / "t.csv", root=tmp_path / "in"), "1.dat")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("1.dat", b"x")
    config = configure(images=tmp_path / "t.csv", root=tmp_path / "in.zip")
    before = fingerprint(config, base=Path("."))
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("1.dat", b"y")
    assert fingerprint(config, base=Path(".")) != before


def test_the_fingerprint_of_tables_among_the_images(tmp_path):
    root = write(tmp_path / "h", "a/1.png", "a/2.dat", "a/3.txt")
    write(root, "metadata.csv", text="file_name,subject,label\na/1.png,s,x\na/2.dat,t,x\n")
    config = configure(images=root)
    assert [changes(root, config, name) for name in ("a/1.png", "a/2.dat", "a/3.txt", "a/4.png")] == [
        True,
        True,
        False,
        True,
    ]
    root = write(tmp_path / "c", "train/p/s/v.dat", "other.dat")
    write(root, "train.csv", text=chexpert_table(chexpert_row("train/p/s/v.dat", "Edema")))
    config = configure(images=root, subject=r"(?P<subject>p)")
    assert [changes(root, config, name) for name in ("train/p/s/v.dat", "other.dat")] == [True, False]


def test_the_fingerprint_follows_tables_and_images_but_no_stray_file(tmp_path):
    root = nih_tree(tmp_path / "nih")
    config = configure(images=root)
    seen = [fingerprint(config, base=Path("."))]
    for name, changes in (
        ("Data_Entry_2017.csv", True),
        ("test_list.txt", True),
        (f"images_001/images/{NIH_ROWS[0][0]}", True),
        ("study/summary.json", False),
        ("study/cohort.parquet", False),
        ("scans/1.dcm", True),
        ("scans/1.nii.gz", True),
        ("scans/IM0001", True),
    ):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((path.read_bytes() if path.is_file() else b"") + b"\n")
        seen.append(fingerprint(config, base=Path(".")))
        assert (seen[-1] != seen[-2]) == changes, name
