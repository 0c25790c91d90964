"""An auditor whose folders hold more than pictures: what is not read is said, and nothing passes for it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unpersonal.audit import AuditConfig, folders
from unpersonal.cli import app
from unpersonal.phantom import phantom_cohort

SUBJECT = r"(?P<subject>\w+-\d+)_"
SMALL = AuditConfig(permutations=999, size=16, components=16, planted_copies=20, kind_copies=1, network_steps=20)


def shaped(image: np.ndarray, number: int) -> Image.Image:
    """A picture of 32 pixels as one that is not square, of a shape of its own."""
    width = 24 + number % 9
    return Image.fromarray(image).crop((0, 0, 32, width) if number % 2 else (0, 0, width, 32))


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 people a side in pictures of many shapes, and a release of fresh squares."""
    root = tmp_path_factory.mktemp("sides")
    images, subjects, _ = phantom_cohort(240, 5, 32)
    first = np.unique(np.asarray(subjects), return_index=True)[1]
    for number, row in enumerate(first):
        folder = root / ("train", "control", "auxiliary")[number // 80]
        folder.mkdir(exist_ok=True)
        shaped(images[row, 0], number).save(folder / f"{folder.name}-{number}_0.png")
    fresh, _, _ = phantom_cohort(40, 9, 32, stream="fresh")
    (root / "fresh").mkdir()
    for number, image in enumerate(fresh[:40]):
        Image.fromarray(image[0]).save(root / "fresh" / f"{number}.png")
    return root


def audit(sides: Path, synthetic: Path, out: Path, *more: str, train: Path | None = None):
    words = ["audit", "--train", train or sides / "train", "--control", sides / "control", "--synthetic", synthetic]
    words += ["--auxiliary", sides / "auxiliary", "--subject", SUBJECT, "--out", out, *more]
    return CliRunner().invoke(app, [str(word) for word in words])


def add_zip(folder: Path, copies: list[Path]) -> None:
    with zipfile.ZipFile(folder / "batch2.zip", "w") as archive:
        for copy in copies:
            archive.write(copy, copy.name)


def add_link(folder: Path, copies: list[Path]) -> None:
    (folder / "more").symlink_to(copies[0].parent)


def add_arrays(folder: Path, copies: list[Path]) -> None:
    np.save(folder / "more.npy", np.stack([np.asarray(Image.open(copy).resize((32, 32))) for copy in copies]))


def add_bare(folder: Path, copies: list[Path]) -> None:
    for copy in copies:
        shutil.copy(copy, folder / copy.stem)


@pytest.mark.parametrize("add", [add_zip, add_link, add_arrays, add_bare])
def test_copies_that_are_not_read_are_an_error_and_nothing_is_written(sides: Path, tmp_path: Path, add) -> None:
    synthetic = shutil.copytree(sides / "fresh", tmp_path / "synthetic")
    add(synthetic, sorted((sides / "train").iterdir())[:5])
    result = audit(sides, synthetic, tmp_path / "out")
    assert result.exit_code == 2 and "what is not read is not audited" in result.stderr
    assert str(synthetic) in result.stderr and "To mend it" in result.stderr and not (tmp_path / "out").exists()
    words = ["metrics", "--real", str(sides / "train"), "--synthetic", str(synthetic)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2 and "not read" in result.stderr


@pytest.mark.parametrize("size", ["8", "1000"])
def test_a_size_that_cannot_be_compared_is_an_error(sides: Path, tmp_path: Path, size: str) -> None:
    result = audit(sides, sides / "fresh", tmp_path / "out", "--size", size)
    assert result.exit_code == 2 and "--size" in result.stderr and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_square_copies_of_pictures_of_many_shapes_do_not_pass(sides: Path, tmp_path: Path, monkeypatch) -> None:
    real = folders.audit_images
    seen: dict[str, object] = {}

    def small(*args, **named):
        seen.update(named, people=args[0], released=args[2])
        return real(*args, **{**named, "config": SMALL})

    monkeypatch.setattr(folders, "audit_images", small)
    train = shutil.copytree(sides / "train", tmp_path / "train")
    (train / "train-999_0.png").write_bytes(b"no image")
    Image.open(train / "train-0_0.png").save(train / "train-998_0.gif")
    synthetic = tmp_path / "synthetic"
    synthetic.mkdir()
    for number, copy in enumerate(sorted((sides / "train").iterdir())[:45]):
        picture = Image.open(copy)
        square = Image.new("L", (max(picture.size),) * 2)
        square.paste(picture, tuple((square.width - side) // 2 for side in picture.size))
        way = (square, picture.resize((40, 40)), picture)[number % 3]
        way.save(synthetic / f"{number}.png")
    result = audit(sides, synthetic, tmp_path / "out", "--size", "32", train=train)
    assert result.exit_code == 3, result.output
    figures = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert figures["verdict"] == "fail" and figures["released"] == 45
    assert any("2 files or pictures were not read of train" in reason for reason in figures["reasons"])
    # views of one picture are of one person, and count once
    people = seen["people"]
    assert len(people.names) == 80 < len(people) and len(seen["pictures"]) == len(seen["released"]) > 45
    reading = figures["reading"]
    assert reading["size"] == 32 and not reading["colour"] and not reading["one_shape"]
    for side in reading["sides"]:
        assert side["found"] == side["read"] + side["refused"] + side["ignored"]
    assert reading["sides"][0]["refused_by_suffix"] == {".gif": 1, ".png": 1}
    assert "32 × 32 pixels" in figures["claim"]
    report = (tmp_path / "out" / "report.md").read_text()
    assert "## How pictures were compared" in report and "train-9" not in report


def test_metrics_say_what_was_read(sides: Path, tmp_path: Path) -> None:
    real = shutil.copytree(sides / "control", tmp_path / "real")
    (real / "labels.csv").write_text("file,label\n")
    words = ["metrics", "--real", str(real), "--synthetic", str(sides / "fresh"), "--size", "16"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "real: 81 found = 80 read + 0 refused + 1 ignored" in result.stdout
    assert "note: the pictures have different shapes" in result.stdout
    (real / "x.npy").write_bytes(b"\x93NUMPY")
    (real / "y.gif").write_bytes(b"GIF89a\x00")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2 and "2 files or pictures were not read of real" in result.stderr
