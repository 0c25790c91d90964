"""Probabilities beside somebody's released pictures are found, wherever they lie, and fit or are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unpersonal.audit.reading import read_side
from unpersonal.audit.soft_files import find_soft
from unpersonal.cohort.soft_labels import FILE, SoftLabels, rounded, to_csv
from unpersonal.core.errors import InputError

NAMES = [f"img-{number}.png" for number in range(12)]


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, SoftLabels]:
    rng = np.random.default_rng(0)
    folder = tmp_path / "release"
    (folder / "images").mkdir(parents=True)
    for name in NAMES:
        Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(folder / "images" / name)
    values = rng.random((12, 3))
    soft = rounded(values / values.sum(1, keepdims=True), ("a", "b", "c"), exclusive=True)
    (folder / FILE).write_bytes(to_csv(soft, NAMES))
    (folder / "labels.csv").write_text("file,label\n")
    return folder, soft


def found(path: Path) -> SoftLabels | None:
    pictures = read_side(path, "synthetic", "file", 32)
    soft = find_soft(path, pictures)
    if soft is None:
        return None
    order = np.argsort([NAMES.index(Path(name).name) for name in pictures.names])
    return soft.only(order)


@pytest.mark.parametrize("form", ["release", "images", "zip", "deep zip"])
def test_they_are_found_in_the_order_of_the_pictures(
    release: tuple[Path, SoftLabels], tmp_path: Path, form: str
) -> None:
    folder, soft = release
    path = folder / "images" if form == "images" else folder
    if "zip" in form:
        path = tmp_path / "release.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, ("deep/er/" if "deep" in form else "") + file.relative_to(folder).as_posix())
    read = found(path)
    assert read is not None and read.classes == soft.classes and read.exclusive
    assert (read.thousandths == soft.thousandths).all()


def test_without_a_table_there_are_none(release: tuple[Path, SoftLabels]) -> None:
    (release[0] / FILE).unlink()
    assert found(release[0]) is None


@pytest.mark.parametrize("how", ["a line less", "another file", "broken", "no text", "two tables"])
def test_a_table_that_does_not_fit_is_refused(release: tuple[Path, SoftLabels], how: str) -> None:
    folder, soft = release
    if how == "a line less":
        (folder / FILE).write_bytes(to_csv(soft.only(np.arange(11)), NAMES[:11]))
    elif how == "another file":
        (folder / FILE).write_bytes(to_csv(soft, [*NAMES[:11], "other.png"]))
    elif how == "broken":
        (folder / FILE).write_text("file,a\nimg-0.png,2\n")
    elif how == "no text":
        (folder / FILE).write_bytes(b"\xff\xfe\x00")
    else:
        (folder / "images" / FILE).write_bytes(to_csv(soft, NAMES))
    with pytest.raises(InputError, match=FILE):
        found(folder)
