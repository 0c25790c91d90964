"""Pictures wherever they lie: kinds side by side, people by header or path, and every file accounted for."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unpersonal.audit.reading import read_side
from unpersonal.core.errors import InputError
from unpersonal.images.picture import split_name
from unpersonal.layouts.loose import find_pictures
from unpersonal.phantom import write_phantom


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    root = tmp_path / "mixed"
    write_phantom(root / "png", subjects=3, seed=1, size=32)
    write_phantom(root / "dicom", subjects=2, seed=2, size=32, fmt="dicom")
    write_phantom(root / "nifti", subjects=2, seed=3, size=32, modality="mri")
    (root / "notes.txt").write_text("no picture")
    (root / ".hidden.png").write_bytes(b"no picture")
    (root / "broken.dcm").write_bytes(b"no picture")
    (root / "link").symlink_to(tmp_path)
    return root


def test_kinds_lie_side_by_side_and_no_file_is_lost(mixed):
    found = find_pictures(mixed)
    files = {split_name(name)[0] for name in found.images}
    assert {name.split("/")[0] for name in files} == {"png", "dicom", "nifti"}
    assert list(found.images) == sorted(found.images) and len(found.subjects) == len(found.images)
    assert {name for name, _, _ in found.refused} == {"broken.dcm", "link", ".hidden.png"}
    there = [path for path in mixed.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) + 2 + found.ignored == len([path for path in there if "link" not in path.parts])
    assert any(".txt" in note for note in found.notes)


def test_headers_and_bids_names_say_who_it_is_unless_a_pattern_does(mixed):
    told = dict(zip((found := find_pictures(mixed)).images, found.subjects, strict=True))
    for name, subject in told.items():
        kind = name.split("/")[0]
        # a PNG is a person of its own; the folders before a BIDS name count, as two sets may both have a sub-00001
        assert subject == name if kind == "png" else Path(subject).name.startswith("sub-") and subject != name
    pattern = find_pictures(mixed, subject=r"(?P<subject>sub-\d+)")
    assert all(subject.startswith("sub-") and "/" not in subject for subject in pattern.subjects)
    files = find_pictures(mixed, subject="file")
    assert list(files.subjects) == [split_name(name)[0] for name in files.images]


def test_a_zip_is_read_in_place(mixed, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as zipped:
        for path in (mixed / "png").rglob("*.png"):
            zipped.write(path, path.relative_to(mixed).as_posix())
    found = find_pictures(tmp_path / "all.zip")
    assert found.images == tuple(name for name in find_pictures(mixed).images if name.startswith("png"))


def test_what_may_hold_a_picture_and_is_not_read_is_refused(mixed, tmp_path):
    """By content, in a folder and in a zip; also a link that leads out. Text and empty files are ignored."""
    before = find_pictures(mixed)
    picture = sorted((mixed / "png").rglob("*.png"))[0].read_bytes()
    for name in ("person.dat", "person", "png/.person.png", ".git/object", "old.zip"):
        (mixed / name).parent.mkdir(exist_ok=True)
        (mixed / name).write_bytes(b"PK\x03\x04" if name == "old.zip" else picture)
    for name in ("labels.csv", "readme.md", "empty.gif"):
        (mixed / name).write_text("" if name == "empty.gif" else "a,b\n")
    (tmp_path / "person.gif").write_bytes(picture)
    (mixed / "person.gif").symlink_to(tmp_path / "person.gif")
    found = find_pictures(mixed)
    suspect = {"person.dat", "person", "png/.person.png", ".git/object", "old.zip", "person.gif"}
    assert {name for name, _, _ in found.refused} - {name for name, _, _ in before.refused} == suspect
    assert found.ignored == before.ignored + 3 and found.images == before.images
    (mixed / "link").unlink()
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as zipped:
        for path in mixed.rglob("*"):
            if path.is_file() and path.name != "person.gif":
                zipped.write(path, path.relative_to(mixed).as_posix())
    inside = find_pictures(tmp_path / "all.zip")
    assert inside.ignored == found.ignored
    assert {name for name, _, _ in inside.refused} == suspect - {"person.gif"} | {"broken.dcm", ".hidden.png"}


def test_rows_of_a_saved_data_set_are_pictures(tmp_path):
    datasets = pytest.importorskip("datasets")
    images = [Image.fromarray(np.full((40, 40), value, np.uint8)) for value in range(3)]
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict({"image": images}, features=features).save_to_disk(tmp_path / "saved")
    images[0].save(tmp_path / "saved" / "person.gif")
    found = find_pictures(tmp_path / "saved")
    assert len(found.images) == 3 and [name for name, _, _ in found.refused] == ["person.gif"]


def test_nothing_to_see_and_wrong_patterns_are_input_errors(mixed, tmp_path):
    for name in ("png", "dicom", "nifti", "broken.dcm", "link", ".hidden.png"):
        path = mixed / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    with pytest.raises(InputError, match="no pictures here"):
        find_pictures(mixed)
    write_phantom(tmp_path / "png", subjects=3, seed=1, size=32)
    for name, said in (("list.csv", "a table or list"), ("list.txt", "a table or list"), ("one.png", "one image")):
        (tmp_path / "png" / name).write_bytes(b"\x89PNG\r\n\x1a\n")
        with pytest.raises(InputError, match=said):
            find_pictures(tmp_path / "png" / name)
    for pattern in ("sub-", "(?P<subject>", "(?P<subject>nobody)"):
        with pytest.raises(InputError):
            find_pictures(tmp_path / "png", subject=pattern)


def test_pictures_in_further_columns_of_a_data_set_are_not_read_and_refused(tmp_path):
    picture = (tmp_path / "a.png", np.arange(256, dtype=np.uint8).reshape(16, 16))
    Image.fromarray(picture[1]).save(picture[0])
    data = picture[0].read_bytes()
    picture[0].unlink()
    rows = {
        "image": [{"bytes": data, "path": "a.png"}],
        "source": [{"bytes": data, "path": "b.png"}],
        "series": [[{"bytes": data, "path": "c.png"}]],
        "raw": [data],
        "pixels": [[[1, 2], [3, 4]]],
        "label": ["x"],
        "boxes": [[1.0, 2.0]],
        "person": [{"id": "p", "age": 3}],
    }
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    found = find_pictures(tmp_path, subject="file")
    assert len(found.images) == 1
    assert [name for name, _, _ in found.refused] == [
        f"column {name}" for name in ("pixels", "raw", "series", "source")
    ]
    with pytest.raises(InputError, match=r"what is not read is not audited.*further column"):
        read_side(tmp_path, "synthetic", "file", 16)
