"""Taint: what names people goes in with every image, and none of it comes out of the building, in whatever form.

Marks lie in the names of files and folders, in ids of people, in a column that is no label, in text chunks of PNG, in
headers of DICOM, and in the pixels of every image: each person has a code of their own. Searched are `release/`,
`report.html` and what the commands print; exports are in `tests/release/export/test_pixel_marks.py`.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.pixel_marks import EDGE, FINDS, STRENGTH, codes_of, likeness, marked, pictures_in
from tests.pixel_marks import plant as plant_code
from tests.studies import LOOSE, PEOPLE, call, change_settings
from unpersonal.phantom import write_phantom

pytestmark = pytest.mark.slow

PERSON, FILE, FOLDER, REMARK, CHUNK, HEADER = (
    *("Quisling", "Zwetschge", "Xylograph", "Wolpertinger", "Yggdrasil", "Vercingetorix"),
)
"""Marks of the ids of people, of files, folders, the column, PNG and DICOM; no text of ours has such words."""
MARKS = (PERSON, FILE, FOLDER, REMARK, CHUNK, HEADER)
FINDINGS = ("No Finding", "Pleural Effusion")
SIDE = 32
CODES = codes_of(PEOPLE)
"""The mark in the pixels of each person's images."""


def plant(folder: Path) -> Path:
    """Phantom people with marks in all places, a third of them as DICOM; the table that lists them."""
    pictures, objects, images = folder / "png", folder / "dcm", folder / "given"
    for fmt, path in (("png", pictures), ("dicom", objects)):
        write_phantom(path, subjects=PEOPLE, seed=3, size=SIDE, findings=FINDINGS, fmt=fmt)
    rows = [("image", "subject", "label", "remark")]
    for number, path in enumerate(sorted(pictures.rglob("*.png"))):
        person = re.search(r"sub-(\d+)", path.name)
        assert person is not None
        as_dicom = int(person[1]) % 3 == 0
        name = f"{FOLDER}{person[1]}/{FILE}-{number:04d}{'.dcm' if as_dicom else '.png'}"
        target = images / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if as_dicom:
            write_dicom((objects / path.relative_to(pictures)).with_suffix(".dcm"), target, int(person[1]))
        else:
            info = PngImagePlugin.PngInfo()
            info.add_text("Comment", f"{CHUNK} {number}")
            pixels = with_code(np.asarray(Image.open(path)), int(person[1]))
            Image.fromarray(pixels).save(target, pnginfo=info)
        rows.append((name, f"{PERSON}-{person[1]}", path.parent.name, f"{REMARK} {number}"))
    with open(images / "table.csv", "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return images / "table.csv"


def with_code(pixels: np.ndarray, person: int) -> np.ndarray:
    """A picture [H, W] of a person, with the person's code at the person's place; the range stays."""
    low, high = int(pixels.min()), int(pixels.max())
    place = np.random.default_rng(person).integers(0, SIDE - EDGE + 1, 2)
    found = plant_code(pixels, CODES[person - 1], (int(place[0]), int(place[1])), STRENGTH * (high - low) / 255)
    return np.clip(found, low, high)


def write_dicom(source: Path, target: Path, person: int) -> None:
    import pydicom

    found = pydicom.dcmread(source)
    found.PixelData = with_code(found.pixel_array, person).tobytes()
    found.PatientName = f"{HEADER}^Ada"
    found.PatientID = f"{HEADER}-{target.stem}"
    found.InstitutionName = found.StudyDescription = f"Hospital {HEADER}"
    found.save_as(target)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[subprocess.CompletedProcess[str]]]:
    """A study with a release, and what was printed by everything after `init`, which names files to their owner."""
    folder = tmp_path_factory.mktemp("taint")
    table, study = plant(folder), folder / "study"
    begun = call(
        *("init", study, "--images", table, "--layout", "table", "--preset", "tiny"),
        *("--image-column", "image", "--subject-column", "subject", "--label-column", "label"),
    )
    assert begun.returncode == 0, begun.stderr
    change_settings(study, LOOSE)
    ran = call("run", study)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return study, [ran, *(call(*words) for words in (("verify", study / "release"), ("status", study)))]


def forms(word: str) -> Iterator[bytes]:
    """A word as it may be written: in any case, in wide letters, in hexadecimal digits, in base64."""
    plain = word.lower().encode()
    yield plain
    yield word.lower().encode("utf-16-le")
    yield word.encode().hex().encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + word.encode() + b"\0\0")
        # letters all of whose bits are those of the word
        yield coded[-(-8 * shift // 6) : 8 * (shift + len(word)) // 6].lower()


def layers(data: bytes) -> Iterator[bytes]:
    """The bytes of a file, and those that are packed in it."""
    yield data
    if data.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(data)) as picture:
            yield picture.tobytes()
            yield repr(picture.info).encode()
    elif data.startswith(b"PAR1"):
        import pyarrow.parquet as pq

        table = pq.ParquetFile(io.BytesIO(data)).read()
        yield repr(table.schema).encode() + repr(table.to_pylist()).encode()


def tainted(root: Path) -> list[tuple[str, str]]:
    """(file, mark) wherever a mark is in a file or in its name below `root`."""
    found = []
    for path in sorted([root, *root.rglob("*")] if root.is_dir() else [root]):
        parts = [str(path.relative_to(root.parent)).encode()]
        parts += layers(path.read_bytes()) if path.is_file() else []
        text = b"\n".join(parts).lower()
        found += [(path.name, mark) for mark in MARKS if any(form in text for form in forms(mark))]
    return found


def test_what_was_planted_is_in_the_building(study: tuple[Path, list[subprocess.CompletedProcess[str]]]) -> None:
    """Else a test that finds nothing outside would say nothing."""
    folder, _ = study
    inside = {mark for _, mark in tainted(folder / "cohort.parquet")}
    assert {PERSON, FILE, FOLDER} <= inside
    assert {PERSON} <= {mark for _, mark in tainted(folder / "private.html")}
    given = {mark for _, mark in tainted(folder.parent / "given")}
    assert given == set(MARKS)


def test_nothing_of_it_leaves(study: tuple[Path, list[subprocess.CompletedProcess[str]]]) -> None:
    folder, printed = study
    assert tainted(folder / "release") == [] and tainted(folder / "report.html") == []
    assert tainted(folder / "summary.json") == []
    # so small a study passes under limits that are looser than those of any published profile
    assert [done.returncode for done in printed] == [0, 3, 0]
    for done in printed:
        text = (done.stdout + done.stderr).lower()
        assert [mark for mark in MARKS if mark.lower() in text] == [], done.args


def test_no_code_of_anybodys_pixels_leaves(study: tuple[Path, list[subprocess.CompletedProcess[str]]]) -> None:
    """A picture that copies a person shows the code; the search sees those in the building, so that it would."""
    folder, _ = study
    released, with_one = marked(folder / "release", CODES)
    assert released > 80 and with_one == []
    shown, with_one = marked(folder / "report.html", CODES)
    assert shown > 0 and with_one == []
    prepared = [picture for _, picture in pictures_in(folder / "store" / "images.npy")]
    assert np.mean([likeness([picture], CODES) >= FINDS for picture in prepared[::4]]) > 0.9
    assert marked(folder / "private.html", CODES)[1] == ["private.html"]
