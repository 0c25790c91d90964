"""Every class of bad input ends in a row of the quarantine or in exit code 2 with one readable message."""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.studies import SUBJECT
from unpersonal.images import dicom as dicom_module
from unpersonal.images import folders as archives_module
from unpersonal.images.archives import FolderArchive
from unpersonal.layouts.labels import CHEST8
from unpersonal.phantom import draw_subjects, draw_visits, render_raw
from unpersonal.phantom.dicom import dicom_bytes

from .cohort_cases import (
    FINDINGS,
    SIZE,
    People,
    Truth,
    assert_says,
    draw_people,
    encoded,
    init,
    labelled_files,
    png_chunk,
    png_file,
    refused,
    run,
    try_init,
    write_files,
    zip_files,
)

pytestmark = pytest.mark.slow

CLASSES = tuple(sorted(FINDINGS))
FOLDER = ("--subject", SUBJECT)
BAD = "Cardiomegaly/sub-00002"  # bad images of a person who has good ones too


@pytest.fixture(scope="module")
def people() -> People:
    return draw_people()


@pytest.fixture(scope="module")
def good(people) -> dict[str, bytes]:
    return labelled_files(people)


def truth_of(people: People, files: dict[str, bytes]) -> dict[str, Truth]:
    return {
        name: Truth(subject, (label,), data, image)
        for (name, data), image, subject, label in zip(
            files.items(), people.images, people.subjects, people.labels, strict=True
        )
    }


# files that are no usable picture, in a folder, in a zip and as rows of a table


def picture(seed: int = 1, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def floats(value: float) -> bytes:
    pixels = picture().astype(np.float32)
    pixels[3, 4] = value
    return encoded(pixels, "TIFF")


def frames(kind: str, **options: Any) -> bytes:
    first, second = (Image.fromarray(picture(seed)).convert("RGB") for seed in (1, 2))
    return encoded(first, kind, save_all=True, append_images=[second], **options)


def png_with_a_bomb_of_text() -> bytes:
    """A good picture behind 100 MB of compressed text."""
    body = b"Comment\0\0" + zlib.compress(bytes(100 * 2**20))
    data = encoded(picture())
    return data[:33] + png_chunk(b"zTXt", body) + data[33:]


def bad_rasters() -> dict[str, tuple[bytes, str, str]]:
    """Name -> file, reason, and a word of the detail."""
    claims = png_file(30_000, 30_000, 8, 0, bytes(1000))
    deflated = png_file(10_000, 10_000, 8, 0, bytes(1000))
    tall = bytearray(encoded(picture(), "BMP"))
    tall[18:26] = (40_000).to_bytes(4, "little") * 2
    return {
        "half.png": (half(encoded(picture())), "unreadable", ""),
        "half.jpg": (half(encoded(picture(), "JPEG")), "unreadable", "truncated"),
        "half.tif": (half(encoded(picture(), "TIFF")), "unreadable", ""),
        "half.bmp": (half(encoded(picture(), "BMP")), "unreadable", "truncated"),
        "half.webp": (half(encoded(picture(), "WEBP", lossless=True)), "unreadable", ""),
        "head.png": (encoded(picture())[:40], "unreadable", ""),
        "zero.png": (b"", "empty", "no content"),
        "zero.jpg": (b"", "empty", "no content"),
        "text.png": (b"this is text, not an image", "unreadable", "none of PNG"),
        "pdf.jpg": (b"%PDF-1.5 and so on", "unreadable", "none of PNG"),
        "gif.png": (encoded(picture(), "GIF"), "unreadable", "GIF, which is not read"),
        "nan.tif": (floats(np.nan), "not-finite", "NaN"),
        "inf.tif": (floats(np.inf), "not-finite", "infinite"),
        "black.png": (encoded(np.zeros((64, 64), np.uint8)), "constant", "every pixel is [0]"),
        "red.png": (encoded(np.full((64, 64, 3), (200, 0, 0), np.uint8)), "constant", "[200, 0, 0]"),
        "flat16.png": (encoded(np.full((64, 64), 777, np.uint16)), "constant", "[777]"),
        "flat.jpg": (encoded(np.full((64, 64), 90, np.uint8), "JPEG"), "constant", "[90]"),
        "flat.tif": (encoded(np.full((64, 64), 0.5, np.float32), "TIFF"), "constant", ""),
        "bomb.png": (claims, "too-large", "decompression bomb"),
        "bomb8k.png": (deflated, "too-large", "10000 × 10000"),
        "bomb.bmp": (bytes(tall), "too-large", "decompression bomb"),
        "bombtext.png": (png_with_a_bomb_of_text(), "unreadable", "too large"),
        "tiny.png": (encoded(picture(side=7)), "too-small", "7 × 7"),
        "frames.tif": (frames("TIFF"), "frames", "2 frames"),
        "frames.webp": (frames("WEBP", duration=10), "frames", "2 frames"),
    }


@pytest.fixture(scope="module")
def bad() -> dict[str, tuple[bytes, str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about writing float TIFFs
        return {f"{BAD}_{name}": case for name, case in bad_rasters().items()}


def assert_refused_rows(found, cases: dict[str, tuple[str, str]]) -> None:
    """Exactly these rows of the quarantine, each with the reason and a word of the detail."""
    assert found.reasons == {name: reason for name, (reason, _) in cases.items()}
    for name, (_, word) in cases.items():
        detail = found.quarantine[name][1]
        assert word in detail and "0x" not in detail and "\n" not in detail, (name, detail)


def test_bad_raster_files_are_quarantined_with_their_reason(tmp_path, people, good, bad):
    cases = {name: (reason, word) for name, (_, reason, word) in bad.items()}
    files = good | {name: data for name, (data, _, _) in bad.items()}
    folder = init(tmp_path / "folder", write_files(tmp_path / "images", files), *FOLDER)
    assert_refused_rows(folder, cases)
    assert_says(folder, truth_of(people, good), CLASSES, layout="folder")
    share = len(bad) / len(files)
    warning = folder.warning("quarantine")
    assert share > 0.05 and warning["count"] == len(bad)
    assert f"{len(bad)} of {len(files)} images ({share:.0%}) were refused" in warning["sentence"]

    archive = init(tmp_path / "zip", zip_files(tmp_path / "images.zip", files), *FOLDER)
    assert archive.quarantine == folder.quarantine and archive.table.equals(folder.table)

    rows = {"image": list(files), "subject": [name.split("/")[1][:9] for name in files]}
    rows["label"] = [name.split("/")[0] for name in files]
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    table = init(tmp_path / "table", tmp_path / "table.csv", "--root", tmp_path / "images")
    assert table.quarantine == folder.quarantine and table.table.equals(folder.table)

    told = run("init", tmp_path / "told", "--images", tmp_path / "images", "--preset", "tiny", *FOLDER)
    text = " ".join(told.stdout.split())
    assert f"read {len(files)} = kept {len(good)} + quarantined {len(bad)}" in text
    assert "5 constant" in text and "3 too-large" in text and warning["sentence"] in text
    # `run` reads the same again
    assert run("run", tmp_path / "told", "--until", "cohort").exit_code == 0
    assert (tmp_path / "told" / "quarantine.csv").read_bytes() == (folder.study / "quarantine.csv").read_bytes()


def test_few_refused_images_are_counted_without_a_warning(tmp_path, good):
    found = init(tmp_path / "study", write_files(tmp_path / "images", good | {f"{BAD}_9.png": b""}), *FOLDER)
    assert found.json["quarantined"] == {"empty": 1} and "quarantine" not in found.warned


def test_no_usable_image_at_all(tmp_path, bad):
    root = write_files(tmp_path / "images", {name: data for name, (data, _, _) in bad.items()})
    refused(try_init(tmp_path / "study", root, *FOLDER), "No image can be used", "5 constant", "2 empty", BAD)


def test_a_file_of_another_kind_is_judged_by_its_content(tmp_path, people, good):
    """A JPEG, a BMP and a DICOM object that are called .png are read as what they are."""
    names = sorted(good)[:3]
    rows = [list(good).index(name) for name in names]
    swapped = {
        names[0]: encoded(people.images[rows[0]], "JPEG", quality=95),
        names[1]: encoded(people.images[rows[1]], "BMP"),
        names[2]: dicom_bytes(people.images[rows[2]] / np.float32(255), "cxr", "x", 0, "x", 1),
    }
    found = init(tmp_path / "study", write_files(tmp_path / "images", good | swapped), *FOLDER)
    assert not found.quarantine and found.json["images"] == len(good)
    assert found.json["bits"] == {"8": len(good) - 1, "16": 1}


# what is no file


def test_links_pipes_and_folders_among_the_images(tmp_path, people, good, monkeypatch):
    """Nothing is followed out of the folder or in circles, and a pipe does not hang the reader."""
    root = write_files(tmp_path / "images", good)
    outside = write_files(tmp_path / "outside", {"secret.png": encoded(picture())})
    there = root / "Cardiomegaly"
    (there / "sub-00002_out.png").symlink_to(outside / "secret.png")
    (there / "sub-00002_broken.png").symlink_to("nothing.png")
    (there / "sub-00002_a.png").symlink_to("sub-00002_b.png")
    (there / "sub-00002_b.png").symlink_to("sub-00002_a.png")
    (there / "loop").symlink_to(root, target_is_directory=True)
    (there / "away").symlink_to(outside, target_is_directory=True)
    (there / "sub-00002_empty.png").mkdir()  # a folder of this name, with nothing in it, is no image
    os.mkfifo(there / "sub-00002_pipe.png")
    locked = there / "sub-00002_locked.png"
    locked.write_bytes(encoded(picture()))
    opened = open

    def deny(path, *more):
        # the tests may run as root, whom no permission stops
        if Path(path).name == locked.name:
            raise PermissionError(13, "Permission denied")
        return opened(path, *more)

    monkeypatch.setattr(archives_module, "open", deny, raising=False)
    found = init(tmp_path / "study", root, *FOLDER)
    assert_refused_rows(
        found,
        {
            "Cardiomegaly/sub-00002_out.png": ("outside", "leads out of the folder"),
            "Cardiomegaly/sub-00002_broken.png": ("missing", "no such file"),
            "Cardiomegaly/sub-00002_a.png": ("unreadable", "round in a circle"),
            "Cardiomegaly/sub-00002_b.png": ("unreadable", "round in a circle"),
            "Cardiomegaly/sub-00002_pipe.png": ("unreadable", "pipe"),
            "Cardiomegaly/sub-00002_locked.png": ("unreadable", "Permission denied"),
        },
    )
    assert_says(found, truth_of(people, good), CLASSES, layout="folder")
    (note,) = [note for note in found.json["notes"] if "links to folders" in note]
    assert "2 links" in note and "Cardiomegaly/away" in note


@pytest.mark.skipif(os.geteuid() == 0, reason="no permission stops root; the test above stands in")
def test_a_file_that_nobody_may_read(tmp_path, good):
    root = write_files(tmp_path / "images", good | {f"{BAD}_9.png": encoded(picture())})
    (root / f"{BAD}_9.png").chmod(0)
    found = init(tmp_path / "study", root, *FOLDER)
    assert_refused_rows(found, {f"{BAD}_9.png": ("unreadable", "Permission denied")})


def test_a_folder_that_cannot_be_listed(tmp_path, good, monkeypatch):
    root = write_files(tmp_path / "images", good)
    listed = os.scandir

    def deny(path):
        if str(path).endswith("Cardiomegaly"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", deny)
    refused(try_init(tmp_path / "study", root, *FOLDER), "folder cannot be read", "Permission denied", "Cardiomegaly")


def test_images_that_vanish_while_they_are_read(tmp_path, people, good, monkeypatch):
    gone = f"{BAD}_gone.png"
    root = write_files(tmp_path / "images", good | {gone: encoded(picture())})
    names = FolderArchive.names

    def list_and_lose(self):
        found = names(self)
        (root / gone).unlink(missing_ok=True)
        return sorted({*found, gone})

    monkeypatch.setattr(FolderArchive, "names", list_and_lose)
    found = init(tmp_path / "study", root, *FOLDER)
    assert_refused_rows(found, {gone: ("missing", "no such file")})
    assert_says(found, truth_of(people, good), CLASSES, layout="folder")


@pytest.mark.parametrize("kind", ["pipe", "device", "text", "missing"])
@pytest.mark.parametrize("layout", ["auto", "table", "dicom"])
def test_an_input_that_is_neither_file_nor_folder(tmp_path, kind, layout):
    path = {"pipe": tmp_path / "table.csv", "device": Path("/dev/zero"), "text": tmp_path / "notes.doc"}.get(
        kind, tmp_path / "nowhere"
    )
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "text":
        path.write_text("minutes of a meeting")
    result = try_init(tmp_path / "study", path, "--layout", layout, *FOLDER)
    text = "no column 'image'" if layout == "table" else "Neither a folder nor a zip archive"
    expected = {"missing": "no such file", "text": text}.get(kind, "Neither a file nor a folder")
    refused(result, expected, str(path))


# zips


def hostile_zip(path: Path, files: dict[str, bytes], name: str) -> Path:
    """A zip with a name that `zipfile` would not write: it is put in afterwards, at the same length."""
    placeholder = "x" * len(name.encode())
    zip_files(path, files | {placeholder: encoded(picture())})
    path.write_bytes(path.read_bytes().replace(placeholder.encode(), name.encode()))
    return path


@pytest.mark.parametrize(
    "name", ["../sub-00099_0.png", "a/../../sub-00099_0.png", "/etc/sub-00099_0.png", "C:/sub-00099_0.png",
             "a\\..\\sub-00099_0.png", "a/sub-00099_0.png\0.txt"],
)  # fmt: skip
def test_a_zip_that_reaches_outside(tmp_path, good, name):
    archive = hostile_zip(tmp_path / "images.zip", good, name)
    refused(try_init(tmp_path / "study", archive, *FOLDER), "reaches outside", "images.zip", repr(name))
    assert {path.name for path in tmp_path.iterdir()} == {"images.zip"}


def test_damaged_and_doubled_and_empty_zips(tmp_path, good):
    whole = zip_files(tmp_path / "whole.zip", good).read_bytes()
    (tmp_path / "half.zip").write_bytes(half(whole))
    refused(try_init(tmp_path / "study", tmp_path / "half.zip", *FOLDER), "zip archive", "not whole", "half.zip")
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr("a/sub-1_0.png", encoded(picture()))
    refused(try_init(tmp_path / "study", tmp_path / "twice.zip", *FOLDER), "'a/sub-1_0.png' twice")
    zip_files(tmp_path / "empty.zip", {})
    refused(try_init(tmp_path / "study", tmp_path / "empty.zip", *FOLDER), "no images", "empty.zip")


def test_bad_members_of_a_zip(tmp_path, people, good, monkeypatch):
    """A damaged, an encrypted, a huge and a lying member, and a link: each is a row, the rest is kept."""
    monkeypatch.setattr(archives_module, "MAX_FILE_BYTES", 2**20)
    names = {kind: f"{BAD}_{kind}.png" for kind in ("damaged", "locked", "huge", "lying", "link")}
    path = zip_files(tmp_path / "images.zip", good)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for kind in ("damaged", "locked", "lying"):
            archive.writestr(names[kind], encoded(picture(len(kind))))
        archive.writestr(names["huge"], encoded(picture()) + bytes(2 * 2**20))
        link = zipfile.ZipInfo(names["link"])
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../../secret.png")
        offsets = {kind: archive.getinfo(name).header_offset for kind, name in names.items()}
    data = bytearray(path.read_bytes())
    start = offsets["damaged"] + 30 + len(names["damaged"])
    data[start + 500 : start + 600] = bytes(100)
    central = {kind: data.rindex(name.encode()) - 46 for kind, name in names.items()}
    data[central["locked"] + 8] |= 1  # the flag of encryption
    data[central["lying"] + 24 : central["lying"] + 28] = (100).to_bytes(4, "little")  # uncompressed size
    path.write_bytes(bytes(data))
    found = init(tmp_path / "study", path, *FOLDER)
    assert_refused_rows(
        found,
        {
            names["damaged"]: ("unreadable", "in the archive"),
            names["locked"]: ("unreadable", "encrypted"),
            names["huge"]: ("too-large", "bytes uncompressed"),
            names["lying"]: ("unreadable", "in the archive"),
            names["link"]: ("outside", "link"),
        },
    )
    assert_says(found, truth_of(people, good), CLASSES, layout="folder")


# names


def test_names_that_are_no_plain_text(tmp_path, good):
    root = write_files(tmp_path / "images", good)
    odd = os.fsencode(root / "Cardiomegaly") + b"/sub-00002_\xff.png"
    with open(odd, "wb") as stream:
        stream.write(encoded(picture()))
    message = refused(try_init(tmp_path / "study", root, *FOLDER), "1 of 67 image names", "not plain text", "\\udcff")
    assert "rename" in message
    # a real terminal can print the message
    command = [sys.executable, "-m", "unpersonal", "init", tmp_path / "study", "--images", root, *FOLDER]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2 and done.stderr.decode() == f"{message}\n" and not done.stdout
    os.rename(odd, os.fsencode(root / "Cardiomegaly") + b"/sub-00002_\xff.txt")  # no image: nothing to say about it
    assert init(tmp_path / "study", root, *FOLDER).json["ignored"] == 1


@pytest.mark.parametrize("odd", ["images", "study", "option"])
def test_paths_and_options_that_are_no_utf_8(tmp_path, good, odd):
    strange = os.fsdecode(b"\xff")
    root = write_files(tmp_path / (f"images{strange}" if odd == "images" else "images"), good)
    study = tmp_path / (f"study{strange}" if odd == "study" else "study")
    words = ("--classes", f"Edema,{strange}") if odd == "option" else ()
    refused(try_init(study, root, *FOLDER, *words), "is not UTF-8 text", "\\udcff")


def test_a_study_folder_that_cannot_be_made(tmp_path, good):
    root = write_files(tmp_path / "images", good)
    (tmp_path / "file").write_text("x")
    refused(run("init", tmp_path / "file" / "study", "--images", root, *FOLDER), "cannot be made", "Not a directory")


def test_names_of_many_scripts_are_kept(tmp_path, people, good):
    renamed = {f"Röntgen Übersicht/雪_{name.split('/')[1]}": data for name, data in good.items()}
    words = (*FOLDER, "--label-from", r"(?P<label>雪|氷)")
    names = list(renamed)
    renamed = {name.replace("雪", "氷") if i % 2 else name: renamed[name] for i, name in enumerate(names)}
    folder = init(tmp_path / "folder", write_files(tmp_path / "images", renamed), *words)
    archive = init(tmp_path / "zip", zip_files(tmp_path / "images.zip", renamed), *words)
    assert folder.json["classes"] == ["氷", "雪"] and folder.table.equals(archive.table)
    assert set(folder.table["image"]) == set(renamed)


# sizes


def test_mixed_sizes_are_brought_to_one(tmp_path, people):
    """A picture that only has to be cropped keeps the pixels of its middle; every size is counted."""
    files, truth = {}, {}
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        height, width = ((SIZE, SIZE), (SIZE, SIZE + 8), (SIZE + 11, SIZE), (96, 64), (640, 480), (8, 8))[i % 6]
        canvas = np.pad(image, ((0, max(0, height - SIZE)), (0, max(0, width - SIZE))), mode="wrap")[:height, :width]
        name = f"{label}/{subject}_{people.visits[i]}.png"
        files[name] = encoded(canvas)
        top, left = (height - SIZE) // 2, (width - SIZE) // 2
        cropped = canvas[top : top + SIZE, left : left + SIZE] if min(height, width) == SIZE else None
        truth[name] = Truth(subject, (label,), files[name], cropped, height=height, width=width)
    found = init(tmp_path / "study", write_files(tmp_path / "images", files), *FOLDER)
    assert_says(found, truth, CLASSES, layout="folder")
    assert len(found.json["sizes"]) == 6


# labels, subjects and splits that are missing or unknown


def table(path: Path, people: People, **changes: dict[int, Any]) -> Path:
    """A table of the good images in `images/`, with the cells of some rows changed."""
    columns: dict[str, list[Any]] = {
        "image": [
            f"images/{label}/{subject}_{visit}.png"
            for label, subject, visit in zip(people.labels, people.subjects, people.visits, strict=True)
        ],
        "subject": list(people.subjects),
        "label": list(people.labels),
        "fold": [("train", "train", "val", "aux", "test")[int(s[4:]) // 3 % 5] for s in people.subjects],
        **{label: [int(label == own) for own in people.labels] for label in CLASSES},
    }
    for name, cells in changes.items():
        for row, value in cells.items():
            columns[name.replace("_", " ")][row] = value
    pd.DataFrame(columns, dtype=object).to_csv(path, index=False)
    return path


@pytest.fixture
def rows(tmp_path, good) -> Path:
    """A folder with `images/`; tables go beside it."""
    write_files(tmp_path / "images", good)
    return tmp_path


FLAGS = ("--label-columns", ",".join(CLASSES))


@pytest.mark.parametrize(
    ("changes", "words", "fragments"),
    [
        ({"label": {3: ""}}, (), ("1 of 66 rows has no label", "fill them in", "--missing ignore")),
        ({"label": {3: ""}}, ("--missing", "one"), ("--missing one",)),
        ({"label": {3: "Hernia"}}, ("--classes", ",".join(CLASSES)), ("'Hernia'", "--classes does not name")),
        ({"Cardiomegaly": {0: "maybe", 5: "2"}}, FLAGS, ("2 cells", "'maybe' in row 2", "'2' in row 7")),
        ({"subject": {4: ""}}, (), ("1 of 66 rows has no subject",)),
        ({"fold": {4: "holdout"}}, ("--split-column", "fold"), ("'holdout'", "row 6", "train, val, aux or test")),
        ({"fold": {4: ""}}, ("--split-column", "fold"), ("row 6",)),
        ({"image": {1: "../secret.png"}}, (), ("reach outside", "../secret.png")),
        ({"image": {1: "/etc/secret.png"}}, (), ("reach outside",)),
        ({"image": {1: ""}}, (), ("empty",)),
        ({}, ("--label-column", "diagnosis"), ("no column 'diagnosis'", "its columns: image, subject, label")),
        ({}, ("--label-columns", "Edema,Cardiomegaly"), ("no column 'Edema'",)),
    ],
)
def test_cells_that_cannot_be_understood(rows, people, changes, words, fragments):
    path = table(rows / "table.csv", people, **changes)
    refused(try_init(rows / "study", path, *words), *fragments, "table.csv")


def test_an_image_that_is_listed_twice(rows, people):
    path = table(rows / "table.csv", people)
    text = path.read_text()
    path.write_text(text + text.splitlines()[1] + "\n")
    refused(try_init(rows / "study", path), "1 image is listed more than once", "list each image once")


def test_rows_that_are_left_out_with_their_reason(rows, people):
    """Absent files, blank and uncertain labels: rows of the quarantine; the rest is kept."""
    names = pd.read_csv(table(rows / "table.csv", people))["image"].tolist()
    (rows / names[7]).unlink()
    (rows / names[8]).unlink()
    (rows / names[8]).mkdir()
    path = table(rows / "table.csv", people, label={3: "", 4: "  "})
    found = init(rows / "one", path, "--missing", "ignore")
    lost = {names[7]: ("missing", "no such file"), names[8]: ("unreadable", "a folder, pipe or device")}
    blank = {names[row]: ("label-missing", "left blank") for row in (3, 4)}
    assert_refused_rows(found, lost | blank)
    found = init(rows / "two", path, "--missing", "zero")
    assert_refused_rows(found, lost)
    assert found.json["unlabelled"] == 2
    path = table(rows / "table.csv", people, Cardiomegaly={3: -1, 4: ""}, No_Finding={5: -1})
    found = init(rows / "three", path, *FLAGS, "--missing", "ignore")
    uncertain = {names[3]: ("label-uncertain", "Cardiomegaly"), names[5]: ("label-uncertain", "No Finding")}
    assert_refused_rows(found, lost | uncertain | {names[4]: ("label-missing", "Cardiomegaly: left blank")})
    found = init(rows / "four", path, *FLAGS, "--uncertain", "one")
    assert_refused_rows(found, lost)


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        ("table.csv", b"image,subject,label\nimages/a.png,J\xfcrgen,x\n", ("line 2", "0xfc", "UTF-8")),
        ("table.csv", b"image,subject,label\nimages/a.png,1\n", ("row 2 has 2", "3 columns")),
        ("table.csv", b"image,subject,image\na,b,c\n", ("'image' twice",)),
        ("table.csv", b"", ("empty",)),
        ("table.csv", b"image,subject,label\n", ("no rows",)),
        ("table.csv", b'image,subject,label\n"a.png,1,x\n', ("cannot be read",)),
        ("table.csv", b"image,subject,label\na\0.png,1,x\n", ("NUL",)),
        ("table.csv.gz", gzip.compress(b"image,subject,label\n" * 99, mtime=0)[:30], ("unpacked",)),
        ("table.parquet", b"PAR1 and nothing more", ("cannot be read",)),
        ("list.txt", b"", ("empty",)),
        ("list.txt", b"images/a.png 1 0 0\n", ("3 label columns without names", "--classes")),
        ("list.txt", b"image,subject,label\na.png,1,x\n", ("Line 1 is no path with labels",)),
        ("list.txt", b"a.png 1 0 0 0 0 0 0 0\nb.png 1 0 0 0 0 0 0 2\n", ("line 2",)),
        ("list.txt", b"J\xfcrgen.png 1 0 0 0 0 0 0 0\n", ("line 1", "UTF-8")),
    ],
)
def test_tables_and_lists_that_cannot_be_read(tmp_path, name, content, fragments):
    (tmp_path / name).write_bytes(content)
    words = FOLDER if name == "list.txt" else ()
    refused(try_init(tmp_path / "study", tmp_path / name, *words), *fragments, name)


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (("--window", "40"), ("'40' is not two numbers",)),
        (("--window", "nan,80"), ("--window: ", "finite")),
        (("--window", "40,inf"), ("--window: ", "finite")),
        (("--slice-range", "0.8,0.2"), ("--slice-range: ", "the first below the second")),
        (("--labels", "chest14"), ("--labels: ", "'all' or 'chest8'")),
        (("--layout", "pacs"), ("--layout: ", "no layout 'pacs'", "auto, chexpert, dicom")),
        (("--label-from", "dicom:Modality"), ("does not read labels from DICOM",)),
        (("--layout", "table"), ("needs a file",)),
        (("--root", "IMAGES"), ("does not read --root", "filelist or table")),
        (("--layout", "huggingface", "--split-column", "fold"), ("no metadata table", "--split-column")),
        (("--layout", "huggingface", "--label-columns", "a,b"), ("no metadata table", "--label-columns")),
        (("--layout", "kermany", "--label-from", "(?P<label>x)"), ("does not read --label-from",)),
    ],
)
def test_options_that_are_wrong_or_would_be_ignored(tmp_path, good, words, fragments):
    root = write_files(tmp_path / "images", dict(list(good.items())[:3]))
    if "kermany" in words:
        root = write_files(tmp_path / "kermany", {"sub-1/NORMAL/IM-0001-0001.jpeg": encoded(picture(), "JPEG")})
    words = tuple(str(root) if word == "IMAGES" else word for word in words)
    refused(try_init(tmp_path / "study", root, *FOLDER, *words), *fragments)


def test_too_little_to_work_with(tmp_path, people, good):
    """No image, one subject, one label, few subjects, a rare label, images in no folder, a name without subject."""
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(try_init(tmp_path / "study", empty, *FOLDER), "no images here (0 other files)")
    write_files(empty, {"notes.txt": b"x", ".hidden.png": encoded(picture())})
    refused(try_init(tmp_path / "study", empty, *FOLDER), "no images here (2 other files: 1 .txt)")

    one = {f"{'ab'[i % 2]}/sub-1_{i}.png": data for i, data in enumerate(good.values())}
    refused(try_init(tmp_path / "study", write_files(tmp_path / "one", one), *FOLDER), "All images show one subject")

    label = {f"a/{name.split('/')[1]}": data for name, data in good.items()}
    refused(try_init(tmp_path / "study", write_files(tmp_path / "label", label), *FOLDER), "fewer than two labels (a)")

    few = {name: data for name, data in good.items() if int(name.split("sub-")[1][:5]) < 5}
    refused(
        try_init(tmp_path / "study", write_files(tmp_path / "few", few), *FOLDER), "4 subjects are too few"
    )  # whatever the labels

    rare = good | {"Hernia/sub-00099_0.png": encoded(picture())}
    refused(try_init(tmp_path / "study", write_files(tmp_path / "rare", rare), *FOLDER), "'Hernia' (1 subject)", "test")

    # each person's folder taken for a label: not one clause for each of them
    words = (*FOLDER, "--label-from", r"(?P<label>sub-\d+)")
    write_files(tmp_path / "all", good)
    message = refused(
        try_init(tmp_path / "study", tmp_path / "all", *words), "There are 45 labels", "check --label-from"
    )
    words = (*FOLDER, "--label-from", r"(?P<label>No Finding|Cardiomegaly|sub-\d+)")
    message = refused(try_init(tmp_path / "study", tmp_path / "all", *words), "Nor do 10 more of 17 labels")
    assert message.count("does not occur in test") == 5

    loose = {name.split("/")[1]: data for name, data in good.items()}
    write_files(tmp_path / "loose", loose)
    refused(try_init(tmp_path / "study", tmp_path / "loose", *FOLDER), "66 of 66 images lie in no folder")
    refused(try_init(tmp_path / "study", tmp_path / "loose"), "Nothing says which images show the same person")

    nameless = good | {"Cardiomegaly/scan.png": encoded(picture())}
    write_files(tmp_path / "nameless", nameless)
    refused(try_init(tmp_path / "study", tmp_path / "nameless", *FOLDER), "no subject in 1 of 67", "scan.png")
    words = (*FOLDER, "--classes", "Cardiomegaly,No Finding")
    refused(try_init(tmp_path / "study", tmp_path / "few", *words), "'Pleural Effusion'", "--classes does not name")


def test_no_subject_is_left_where_all_images_of_a_part_are_bad(tmp_path, good):
    """What remains after the quarantine is checked, not what was listed."""
    kept = [name for name in good if int(name.split("sub-")[1][:5]) < 4]
    files = good | {name: b"broken" for name in good if name not in kept}
    bad = len(good) - len(kept)
    refused(
        try_init(tmp_path / "study", write_files(tmp_path / "images", files), *FOLDER),
        "3 subjects are too few",
        f"{bad} of {len(good)} images cannot be used ({bad} unreadable; for example",
    )


# DICOM


def changed(data: bytes, **keywords: Any) -> bytes:
    """A DICOM object with other values."""
    from pydicom import dcmread

    dataset = dcmread(io.BytesIO(data))
    for name, value in keywords.items():
        setattr(dataset, name, value)
        if value is None:
            delattr(dataset, name)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def dicom_of_floats(data: bytes, value: float) -> bytes:
    from pydicom import dcmread

    dataset = dcmread(io.BytesIO(data))
    pixels = picture(side=SIZE).astype("<f4")
    pixels[3, 4] = value
    del dataset.PixelData
    dataset.FloatPixelData, dataset.BitsAllocated = pixels.tobytes(), 32
    for name in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, name)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def deflated_bomb(data: bytes) -> bytes:
    """A deflated DICOM object that unpacks to 32 MiB."""
    from pydicom import dcmread
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    dataset = dcmread(io.BytesIO(data))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    packed = stream.getvalue()
    start = 144 + int.from_bytes(packed[140:144], "little")  # the length of the group stands there
    squeeze = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    body = zlib.decompress(packed[start:], wbits=-zlib.MAX_WBITS)
    bomb = [squeeze.compress(part) for part in (body, bytes(2**24), bytes(2**24))]
    return packed[:start] + b"".join(bomb) + squeeze.flush()


@pytest.fixture(scope="module")
def scans() -> dict[str, bytes]:
    """40 phantom people as DICOM objects, by `<label>/sub-00001_0.dcm`."""
    people = draw_subjects(40, seed=2, modality="ct", findings=("No Finding", "Infarct"))
    visits = draw_visits(people)
    return {
        f"{people.labels[row]}/{people.ids[row]}_{number}.dcm": dicom_bytes(
            image, "ct", people.ids[row], int(number), people.labels[row], 2
        )
        for (row, number), image in zip(visits, render_raw(people, visits, SIZE), strict=True)
    }


def test_bad_dicom_files(tmp_path, scans, monkeypatch):
    monkeypatch.setattr(dicom_module, "MAX_FILE_BYTES", 2**24)
    one = next(iter(scans.values()))
    cases: dict[str, tuple[bytes, str, str]] = {
        "half": (half(one), "unreadable", ""),
        "cut": (one[:-500], "unreadable", "bytes of pixels where the header promises"),
        "head": (one[:200], "unreadable", ""),
        "zero": (b"", "empty", "no content"),
        "png": (encoded(picture()), "unreadable", "no DICOM"),
        "text": (b"minutes of a meeting, long ago", "unreadable", ""),
        "nan": (dicom_of_floats(one, np.nan), "not-finite", "NaN"),
        "inf": (dicom_of_floats(one, np.inf), "not-finite", "infinite"),
        "flat": (changed(one, PixelData=bytes(2 * SIZE * SIZE)), "constant", "every pixel"),
        "bomb": (changed(one, Rows=60_000, Columns=60_000), "too-large", "60000 × 60000"),
        "frames": (changed(one, NumberOfFrames=2_000_000), "too-large", "2000000 frames"),
        "deflated": (deflated_bomb(one), "too-large", "unpacks to more"),
        "nobody": (changed(one, PatientID=""), "no-subject", "no PatientID"),
        "report": (changed(one, PixelData=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"), "no-pixels", "Text SR"),
        "video": (changed(one), "unreadable", "no decoder"),
        "small": (changed(one, Rows=4, Columns=4, PixelData=bytes(32)), "too-small", "4 × 4"),
    }
    video = cases["video"][0].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
    cases["video"] = (video, *cases["video"][1:])
    bad = {f"No Finding/sub-00001_{kind}.dcm": case for kind, case in cases.items()}
    files = scans | {name: data for name, (data, _, _) in bad.items()}
    root = write_files(tmp_path / "ct", files)
    expected = {name: (reason, word) for name, (_, reason, word) in bad.items()}
    archive = init(tmp_path / "zip", zip_files(tmp_path / "ct.zip", files))
    os.mkfifo(root / "No Finding" / "sub-00001_pipe.dcm")
    (root / "No Finding" / "sub-00001_broken.dcm").symlink_to("nothing.dcm")
    (root / "No Finding" / "000017").symlink_to("000017")
    found = init(tmp_path / "study", root)
    assert_refused_rows(archive, expected)
    expected |= {
        "No Finding/sub-00001_pipe.dcm": ("unreadable", "pipe"),
        "No Finding/sub-00001_broken.dcm": ("missing", "no such file"),
        "No Finding/000017": ("unreadable", "round in a circle"),
    }
    assert_refused_rows(found, expected)
    assert found.table.equals(archive.table) and set(found.table["image"]) == set(scans)


def test_dicom_without_labels_subjects_or_files(tmp_path, scans):
    some = list(scans)[:3]
    files = scans | {name: changed(scans[name], StudyDescription="") for name in some}
    root = write_files(tmp_path / "ct", files)
    found = init(tmp_path / "study", root, "--label-from", "dicom:StudyDescription")
    assert_refused_rows(found, dict.fromkeys(some, ("no-label", "no StudyDescription")))
    refused(try_init(tmp_path / "x", root, "--label-from", "dicom:Diagnose"), "no keyword 'Diagnose'")
    refused(try_init(tmp_path / "x", root, "--label-from", "dicom:PatientName"), "cannot be a label")
    refused(try_init(tmp_path / "x", root, "--classes", "No Finding"), "'Infarct'", "--classes does not name")
    nobody = {name: changed(data, PatientID="") for name, data in scans.items()}
    write_files(tmp_path / "nobody", nobody)
    refused(try_init(tmp_path / "x", tmp_path / "nobody"), "no-subject", "PatientID", "give --subject")
    write_files(tmp_path / "none", {"notes.txt": b"x"})
    refused(try_init(tmp_path / "x", tmp_path / "none", "--layout", "dicom"), "no DICOM files here")
    write_files(tmp_path / "both", scans | {"No Finding/sub-00001_9.png": encoded(picture())})
    message = refused(try_init(tmp_path / "x", tmp_path / "both"), "1 image ", f"{len(scans)} DICOM files")
    assert "--layout" in message
    alike = {f"{'ab'[i % 2]}/{i}.dcm": changed(data, PatientID="1") for i, data in enumerate(scans.values())}
    write_files(tmp_path / "alike", alike)
    refused(try_init(tmp_path / "x", tmp_path / "alike"), "All images show one subject")


# NIfTI


def nifti(volume: np.ndarray) -> bytes:
    import nibabel

    return nibabel.Nifti1Image(volume, np.eye(4)).to_bytes()


def without_affine(data: bytes) -> bytes:
    """The three rows of the affine become NaN."""
    return data[:280] + np.full(12, np.nan, "<f4").tobytes() + data[328:]


def claims(shape: tuple[int, int, int]) -> bytes:
    """A header that promises a volume, and little behind it."""
    data = bytearray(nifti(np.zeros((4, 4, 4), np.int16)))
    data[42:48] = np.array(shape, "<i2").tobytes()
    return bytes(data)


@pytest.fixture(scope="module")
def volumes() -> dict[str, bytes]:
    rng = np.random.default_rng(3)
    return {
        f"{'ab'[i % 2]}/sub-{i:03d}_T2w.nii.gz": gzip.compress(
            nifti(rng.integers(0, 900, (SIZE, SIZE, 4)).astype(np.int16)), compresslevel=1
        )
        for i in range(40)
    }


def test_bad_nifti_files(tmp_path, volumes):
    good = nifti(np.random.default_rng(4).integers(0, 900, (SIZE, SIZE, 4)).astype(np.int16))
    holed = np.random.default_rng(5).normal(size=(SIZE, SIZE, 4)).astype(np.float32)
    holed[3, 4, 1] = np.nan
    holed[:, :, 2] = 0.25
    cases: dict[str, tuple[bytes, str, str]] = {
        "half.nii": (half(good), "unreadable", "ends before its last voxel"),
        "half.nii.gz": (half(gzip.compress(good)), "unreadable", "ended before"),
        "head.nii": (good[:200], "unreadable", "ends within its header"),
        "zero.nii.gz": (b"", "empty", "no content"),
        "png.nii": (encoded(picture()), "unreadable", "no NIfTI header"),
        "text.nii.gz": (b"minutes of a meeting", "unreadable", "no NIfTI header"),
        "four.nii": (nifti(np.zeros((SIZE, SIZE, 4, 3), np.int16)), "dimensions", "4 dimensions"),
        "bomb.nii": (claims((32_000, 32_000, 32_000)), "too-large", "32000 × 32000 × 32000"),
        "bomb.nii.gz": (gzip.compress(claims((30_000, 30_000, 2)) + bytes(2**24)), "too-large", ""),
        "affine.nii": (without_affine(good), "unreadable", "affine"),
        "img.img": (b"voxels", "unreadable", "pair"),
    }
    bad = {f"a/sub-000_{kind}": case for kind, case in cases.items()}
    files = volumes | {name: data for name, (data, _, _) in bad.items()}
    files |= {"a/sub-000_img.hdr": b"header", "a/sub-000_holed.nii": nifti(holed)}
    # what has a good header is refused slice by slice
    slices = {name: [f"{name}#slice={k}" for k in (1, 2)] if "half" in name else [name] for name in bad}
    expected = {row: (reason, word) for name, (_, reason, word) in bad.items() for row in slices[name]}
    expected["a/sub-000_holed.nii#slice=1"] = ("not-finite", "NaN or infinite voxels")
    expected["a/sub-000_holed.nii#slice=2"] = ("constant", "every pixel")
    archive = init(tmp_path / "zip", zip_files(tmp_path / "mr.zip", files))
    root = write_files(tmp_path / "mr", files)
    os.mkfifo(root / "a" / "sub-000_pipe.nii")
    found = init(tmp_path / "study", root)
    assert_refused_rows(archive, expected)
    assert_refused_rows(found, expected | {"a/sub-000_pipe.nii": ("unreadable", "pipe")})
    assert found.table.equals(archive.table) and found.json["images"] == 2 * len(volumes)


def test_nifti_without_labels_subjects_or_files(tmp_path, volumes):
    table = ["participant_id\tdiagnosis", *(f"sub-{i:03d}\t{'xy'[i % 2]}" for i in range(38)), "sub-038\tn/a"]
    root = write_files(tmp_path / "mr", volumes | {"participants.tsv": "\n".join(table).encode()})
    words = ("--label-from", "participants:diagnosis")
    found = init(tmp_path / "study", root, *words)
    unknown = [name for name in volumes if "038" in name or "039" in name]
    assert_refused_rows(found, dict.fromkeys(unknown, ("no-label", "no diagnosis of this subject")))
    refused(try_init(tmp_path / "x", root, "--label-from", "participants:age"), "no column 'age'", "diagnosis")
    renamed = {name.replace("sub-", "p"): data for name, data in volumes.items()}
    write_files(tmp_path / "renamed", renamed)
    refused(try_init(tmp_path / "x", tmp_path / "renamed"), "40 of 40 volumes are not named", "--subject")
    write_files(tmp_path / "none", {"notes.txt": b"x"})
    refused(try_init(tmp_path / "x", tmp_path / "none", "--layout", "nifti"), "no NIfTI files here")


# Hugging Face


def test_bad_rows_of_a_saved_data_set(tmp_path, people):
    import datasets

    contents: list[bytes | None] = [encoded(image) for image in people.images]
    contents[1], contents[2], contents[3], contents[4] = None, b"", b"broken", half(contents[4] or b"")
    labels: list[int | None] = [CLASSES.index(label) for label in people.labels]
    labels[6] = None
    features = datasets.Features(
        {
            # as Image is stored; the library would copy what is referred to
            "image": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
            "label": datasets.ClassLabel(names=list(CLASSES)),
            "subject": datasets.Value("string"),
        }
    )
    secret = write_files(tmp_path, {"secret.png": encoded(picture())}) / "secret.png"
    cells = [{"bytes": data, "path": str(secret) if data is None else None} for data in contents]
    data = {"image": cells, "label": labels, "subject": people.subjects}
    datasets.Dataset.from_dict(data, features=features).save_to_disk(str(tmp_path / "saved"))
    refused(try_init(tmp_path / "x", tmp_path / "saved"), "1 of 66 rows has no label", "00000006")
    found = init(tmp_path / "study", tmp_path / "saved", "--missing", "ignore")
    assert_refused_rows(
        found,
        {
            "rows/00000001.bin": ("outside", "file or address outside"),
            "rows/00000002.bin": ("empty", "no content"),
            "rows/00000003.bin": ("unreadable", "none of PNG"),
            "rows/00000004.png": ("unreadable", "truncated"),
            "rows/00000006.png": ("label-missing", "left blank"),
        },
    )
    refused(try_init(tmp_path / "x", tmp_path / "saved", "--subject-column", "person"), "no column 'person'")
    message = refused(try_init(tmp_path / "x", tmp_path / "saved", "--image-column", "scan"), "no column 'scan'")
    assert "--image-column" in message  # which this layout reads
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    arrow.write_bytes(half(arrow.read_bytes()))
    refused(try_init(tmp_path / "x", tmp_path / "saved"), "saved data set cannot be read")


# what is suspicious


def said(images: Path, tmp_path: Path, *words: object) -> str:
    """What `init` prints for people, on one line."""
    result = run("init", tmp_path / "told", "--images", images, "--preset", "tiny", *words)
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def assert_told(found, text: str, kind: str, *fragments: str) -> None:
    """A warning in the JSON, and the same sentence and remedy in the text."""
    warning = found.warning(kind)
    for fragment in fragments:
        assert fragment in warning["sentence"], warning
    # what mends several warnings is said once: "to mend 1 to 3: …"
    assert warning["sentence"] in text and re.search(rf"to mend [^:]+: {re.escape(warning['how_to_mend'])}\.", text)


def test_copies_under_different_subjects(tmp_path):
    """Identical files, a picture saved anew in another format, and one at another size, each under another name."""
    people = draw_people(size=64)
    files = labelled_files(people)
    names = list(files)
    pictures = dict(zip(names, people.images, strict=True))
    alone = [name for name, subject in zip(names, people.subjects, strict=True) if people.subjects.count(subject) == 1]
    same, again, larger, saved = alone[:4]
    twin = {"Cardiomegaly/sub-90001_0.png": files[same], "Cardiomegaly/sub-90001_1.png": files[same]}
    anew = {"Cardiomegaly/sub-90002_0.bmp": encoded(pictures[saved], "BMP")}
    jpeg = {"Cardiomegaly/sub-90003_0.jpg": encoded(pictures[again], "JPEG", quality=80)}
    grown = Image.fromarray(pictures[larger]).resize((100, 100), Image.Resampling.BICUBIC)
    grown_file = {"Cardiomegaly/sub-90004_0.png": encoded(grown)}
    root = write_files(tmp_path / "images", files | twin | anew | jpeg | grown_file)
    found = init(tmp_path / "study", root, *FOLDER)
    figures = found.json["duplicates"]
    assert figures["exact_within_subjects"]["pairs"] == 1
    assert figures["exact_across_subjects"]["pairs"] == 3  # two with the twins, one that was saved anew
    assert figures["near_across_subjects"]["pairs"] == 2
    assert figures["identical_files"] == 3
    near = {frozenset(pair) for pair in found.json["examples"]["near_across_subjects"]}
    assert near == {frozenset((again, *jpeg)), frozenset((larger, *grown_file))}
    text = said(root, tmp_path, *FOLDER)
    assert_told(found, text, "duplicates", "3 pairs of identical images under different subjects")
    assert_told(found, text, "near-duplicates", "2 pairs of nearly identical images under different subjects")
    assert "1 pair of identical images within subjects" in text
    assert "sub-90001" in text and "sub-90003" in text  # the owner is told which
    splits = found.table.set_index("image")["split"]
    torn = sum(splits[one] != splits[other] for one, other in map(tuple, near))
    assert (f", {torn} of them in two splits" in found.warning("near-duplicates")["sentence"]) == bool(torn)


def test_a_clean_cohort_has_no_copies(tmp_path, good):
    found = init(tmp_path / "study", write_files(tmp_path / "images", good), *FOLDER)
    assert not {"duplicates", "near-duplicates", "burned-in-text", "split-conflict", "quarantine"} & found.warned
    assert not [kind for kind in found.warned if "names" in kind]


@pytest.mark.parametrize("policy", [None, "train", "test", "drop"])
def test_a_subject_in_two_given_splits(rows, people, policy):
    subject = people.subjects[-1]
    own = [i for i, name in enumerate(people.subjects) if name == subject]
    first = people.subjects.index(people.subjects[own[0] - 1])
    own.append(first)  # a second image of that person, in another split
    path = table(rows / "table.csv", people, fold={own[0]: "train", first: "test"}, subject={first: subject})
    words = ("--split-column", "fold")
    if policy is None:
        refused(try_init(rows / "study", path, *words), "1 subject is in more than one split", "--split-conflict")
        return
    words += ("--split-conflict", policy)
    found = init(rows / "study", path, *words)
    mine = found.table[found.table["subject"] == subject]
    assert set(mine["split"]) == ({policy} if policy != "drop" else set())
    assert set(found.reasons.values()) == ({"split-conflict"} if policy == "drop" else set())
    assert_told(found, said(path, rows, *words), "split-conflict", "1 subject in two given splits", policy)


def test_labels_and_cohort_too_small_for_the_policy(tmp_path, good):
    root = write_files(tmp_path / "images", good)
    found = init(tmp_path / "study", root, *FOLDER)
    text = said(root, tmp_path, *FOLDER)
    splits = found.json["splits"]
    few = found.warning("few-test-subjects-of-label")
    assert few["count"] == 3
    for label in CLASSES:
        count = found.json["labels"][label]["test"]["subjects"]
        assert f"{label!r} {count}" in few["sentence"]
    assert_told(found, text, "few-test-subjects-of-label", "fewer than 20 test subjects")
    assert_told(found, text, "few-protected-subjects", "a miss bound of 0.01, which takes 299")
    # what the audit can reach stands after it, once
    assert "450" not in text
    assert found.json["size"]["enough"] is False
    # of the default splits half of val, and aux, take most
    assert found.json["size"]["protected_needed"] == 299 and found.json["size"]["cohort_needed"] == 667
    assert found.warning("few-protected-subjects")["count"] == splits["train"]["subjects"]


def test_text_that_is_burned_in(tmp_path):
    people = draw_people(40, size=256)
    marked = list(labelled_files(people))[:20]
    files = {}
    for i, (name, image) in enumerate(zip(labelled_files(people), people.images, strict=True)):
        shown = Image.fromarray(image)
        if name in marked:
            ImageDraw.Draw(shown).text((4, 4), f"DOE JANE {1900 + i}", fill=255, font=ImageFont.load_default())
        files[name] = encoded(shown)
    root = write_files(tmp_path / "images", files)
    found = init(tmp_path / "study", root, *FOLDER)
    assert found.json["text"] == 20 and set(found.json["examples"]["text"]) <= set(marked)
    assert_told(found, said(root, tmp_path, *FOLDER), "burned-in-text", "20 images may have text")
    # the reader tells what it is, and nothing of the text itself is written anywhere
    assert found.json["text_read"]["read"] >= 18 and found.json["text_read"]["left"] == 0
    assert "JANE" not in str(found.json)
    unread = init(tmp_path / "unread", root, *FOLDER, "--read-text", "never")
    assert unread.json["text"] == 20 and unread.json["text_read"] is None
    assert "nothing was read" in unread.warning("burned-in-text")["sentence"]
    words = ("--images", root, *FOLDER, "--read-text", "sometimes")
    refused(run("init", tmp_path / "refused", *words), "use auto, always, never")


def test_identifiers_in_names(tmp_path, people, good):
    """They are counted, and nothing of them is in study.toml or the aggregates."""
    files = {}
    for i, (name, data) in enumerate(good.items()):
        label, own = name.split("/")
        kind = ("Doe_Jane", f"19{40 + i % 50}-03-17", f"MRN{7000000 + i}", "jane.doe@example.org")[i % 4]
        files[f"{label}/{kind}/{own}"] = data
    root = write_files(tmp_path / "images", files)
    words = (*FOLDER, "--label-from", "^(?P<label>[^/]+)/")
    found = init(tmp_path / "study", root, *words)
    counts = {"person": 17, "date": 17, "number": 16, "e-mail": 16}
    assert found.json["names"] == counts
    text = said(root, tmp_path, *words)
    sentences = [w["sentence"] for w in found.json["warnings"] if w["kind"] == "identifiers-in-names"]
    assert len(sentences) == 4 and all(sentence in text for sentence in sentences)
    assert all(f"{count} names of files" in " ".join(sentences) for count in counts.values())
    assert "Doe" not in " ".join(sentences)


def test_what_the_dicom_headers_say(tmp_path, scans):
    """Burned-in annotation and names in headers are reported by their number."""
    changes = ({"BurnedInAnnotation": "YES"}, {"BurnedInAnnotation": None}, {"PatientName": "Doe^Jane"}, {})
    files = {name: changed(data, **changes[i % 4]) for i, (name, data) in enumerate(scans.items())}
    found = init(tmp_path / "study", write_files(tmp_path / "ct", files))
    for i, kind in enumerate(("burned-in", "burned-in-unsaid", "header-identity")):
        assert found.warning(kind)["count"] == len(range(i, len(files), 4))
    assert "Doe" not in str(found.json)


def test_chest8_selects_images_with_one_finding(tmp_path):
    """Several findings, and findings outside the scheme, are left out with their reason."""
    people = draw_people(80, findings=CHEST8)
    files, rows = {}, []
    for i, (image, subject, label) in enumerate(zip(people.images, people.subjects, people.labels, strict=True)):
        name = f"images/{i:04d}.png"
        files[name] = encoded(image)
        written = {"Pleural Effusion": "Effusion", "No Finding": "no_finding"}.get(label, label)
        more = {0: "|Fracture", 1: "|Support Devices"}.get(i % 10, "")
        rows.append((name, subject, "Hernia" if i % 10 == 5 else written + more, label))
    write_files(tmp_path, files)
    frame = pd.DataFrame([row[:3] for row in rows], columns=["image", "subject", "label"])
    frame.to_csv(tmp_path / "table.csv", index=False)
    found = init(tmp_path / "study", tmp_path / "table.csv", "--labels", "chest8")
    kept = [row for i, row in enumerate(rows) if i % 10 not in (0, 5)]
    assert found.json["classes"] == list(CHEST8)
    assert found.table["image"].tolist() == [row[0] for row in kept]
    assert [labels.tolist() for labels in found.table["labels"]] == [[row[3]] for row in kept]
    several = {row[0]: "several-findings" for i, row in enumerate(rows) if i % 10 == 0}
    assert found.reasons == several | {row[0]: "other-finding" for i, row in enumerate(rows) if i % 10 == 5}
    for label in CHEST8:
        assert found.json["labels"][label]["all"]["images"] == sum(row[3] == label for row in kept)
    names = pd.read_csv(tmp_path / "table.csv").assign(label="Hernia")
    names.to_csv(tmp_path / "none.csv", index=False)
    refused(try_init(tmp_path / "x", tmp_path / "none.csv", "--labels", "chest8"), "exactly one finding", "Hernia")
