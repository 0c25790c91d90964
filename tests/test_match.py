"""`unpersonal match` with folders of invented people: copies are refused, fresh people mostly not, nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy.stats import binom
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from tests.studies import SUBJECT
from unpersonal.cli import app
from unpersonal.core.errors import InputError
from unpersonal.match import match_pictures, stranger_rate
from unpersonal.match_gallery import LEAST_PEOPLE
from unpersonal.phantom import write_phantom

PEOPLE, COPIED = 100, 8
RATE = 0.1


def half(image: Image.Image, other: Image.Image) -> Image.Image:
    mixed = other.copy()
    mixed.paste(image.crop((0, 0, image.width // 2, image.height)))
    return mixed


COPIES: dict[str, Callable[[Image.Image, Image.Image], Image.Image]] = {
    "exact": lambda image, other: image,
    "mirror": lambda image, other: ImageOps.mirror(image),
    "half": half,
    "average": lambda image, other: Image.blend(image, other, 0.3),
    "letterboxed": lambda image, other: ImageOps.expand(image, (24, 0)),
    "tall": lambda image, other: ImageOps.expand(image, (0, 10), 90),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("match")
    write_phantom(root / "gallery", subjects=PEOPLE, seed=1, size=64)
    write_phantom(root / "others", subjects=60, seed=2, size=64)
    copies, fresh = root / "copies", root / "fresh"
    copies.mkdir()
    fresh.mkdir()
    known, others = (sorted((root / name).rglob("*_0.png")) for name in ("gallery", "others"))
    for number, (file, other) in enumerate(zip(known[:COPIED], others, strict=False)):
        for name, change in COPIES.items():
            change(Image.open(file), Image.open(other)).save(copies / f"{name}-{number}.png")
    for number, file in enumerate(others):
        shutil.copy(file, fresh / f"{number:03d}.png")
    (copies / "broken.png").write_bytes(b"no picture")
    (copies / "cut.png").write_bytes((copies / "exact-0.png").read_bytes()[:1000])
    (copies / "notes.txt").write_text("no picture either")
    (copies / "outside.png").symlink_to(known[0])
    (copies / "elsewhere").symlink_to(root / "fresh")
    return root


@pytest.fixture(scope="module")
def copied(folders):
    return match_pictures(folders / "gallery", folders / "copies", subject=SUBJECT, rate=RATE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_refused_whatever_their_shape(copied, kind):
    rows = [row for row in copied.rows if row.file.startswith(kind)]
    refused = [row for row in rows if row.refused]
    assert len(rows) == COPIED and len(refused) >= COPIED - (kind in ("half", "average"))
    assert all(row.stranger_rate <= RATE and row.matcher in ("poses", "parts", "mixtures") for row in refused)


@pytest.mark.slow
def test_what_cannot_be_read_is_refused_and_nothing_is_lost(copied):
    unread = {row.file: row.why for row in copied.rows if row.matcher == "unread"}
    assert set(unread) == {"broken.png", "cut.png", "outside.png", "elsewhere"}
    assert all(row.refused and row.stranger_rate is None for row in copied.rows if row.matcher == "unread")
    assert unread["broken.png"].startswith("unreadable") and "not followed" in unread["elsewhere"]
    assert unread["cut.png"].startswith("unreadable: image file is truncated")
    read = len(COPIES) * COPIED
    assert len(copied.rows) == read + 4
    assert (
        f"IMAGES: {read + 5} found, of which {read} pictures read, 4 not read, 1 files without a picture ignored."
        in copied.notes
    )


@pytest.mark.slow
def test_fresh_people_are_refused_as_often_as_was_asked(folders):
    found = match_pictures(folders / "gallery", folders / "fresh", subject=SUBJECT, rate=RATE)
    # thresholds of 100 people are themselves uncertain: a rate of 0.1 may be 0.18
    assert len(found.refused) <= binom.ppf(0.99, len(found.rows), 0.18)
    kept = [row for row in found.rows if not row.refused]
    assert all(row.matcher is None and 0 < row.stranger_rate <= 1 for row in kept)


def command(*words: object):
    return CliRunner().invoke(app, ["match", *map(str, words)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def small(folders: Path) -> Path:
    """A gallery of few, fast to compare with."""
    root = folders / "small"
    root.mkdir()
    for name, count in (("gallery", 24), ("others", 2)):
        for file in sorted((folders / name).rglob("*_0.png"))[:count]:
            (root / name).mkdir(exist_ok=True)
            shutil.copy(file, root / name / file.name)
    asked = root / "asked"
    asked.mkdir()
    first = sorted((root / "gallery").iterdir())[0]
    shutil.copy(first, asked / "a.png")
    shutil.copy(first, asked / "[bold]b.png")
    return root


@pytest.mark.slow
def test_the_command_says_who_only_in_private(small):
    words = (small / "gallery", small / "asked", "--size", 32)
    told = command(*words)
    assert told.exit_code == 3 and told.stdout.startswith("2 of 2 pictures would be refused.\n"), told.output
    assert "[bold]b.png" in told.stdout and "none of 24" in told.stdout and "1 in 24" in told.stdout
    assert "sub-" not in told.output
    assert "each of the 3 matchers refuses at least the stranger most alike" in told.stdout
    assert told.stdout.endswith("Only pictures that would be refused are listed; --json has all.\n")
    figures = conforms("match", command(*words, "--json").stdout, code=3)
    assert set(figures) == {"images", "refused", "ignored", "by", "sides", "rows", "error"} and (
        figures["images"],
        figures["refused"],
    ) == (2, 2)
    assert sum(figures["by"].values()) == 2 and "sub-" not in json.dumps(figures)
    assert [row["file"] for row in figures["rows"]] == ["[bold]b.png", "a.png"]
    for row in figures["rows"]:
        assert set(row) == {"file", "refused", "matcher", "stranger_rate"}
        assert row["refused"] is True and row["stranger_rate"] == pytest.approx(1 / 25)
    private = command(*words, "--json", "--private")
    owner = sorted((small / "gallery").iterdir())[0].name
    assert {row["subject"] for row in json.loads(private.stdout)["rows"]} == {owner}


@pytest.mark.slow
def test_nobody_recognised_is_exit_0(small, tmp_path):
    for number, grey in enumerate((0, 1)):
        picture = np.add.outer(np.arange(64), np.arange(64) * grey).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    told = command(small / "gallery", tmp_path, "--size", 32)
    assert told.exit_code == 0 and told.stdout.startswith("0 of 2 pictures would be refused.\n"), told.output


def test_wrong_inputs_are_said(small, tmp_path):
    gallery, asked = small / "gallery", small / "asked"
    (tmp_path / "empty").mkdir()
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.toml").touch()
    for words, said in {
        (gallery, tmp_path / "nowhere"): "IMAGES: no such file or folder",
        (tmp_path / "nowhere", asked): "GALLERY: no such file or folder",
        (gallery, tmp_path / "empty"): "There are no pictures here",
        (gallery, gallery): "GALLERY and IMAGES are the same",
        (small, asked): "IMAGES lies inside GALLERY",
        (gallery, small): "GALLERY lies inside IMAGES",
        (gallery, tmp_path / "study"): "IMAGES is a study",
        (small / "others", asked): f"shows 2 people; {LEAST_PEOPLE} are needed",
        (gallery, asked, "--rate", 1): "no share of strangers",
        (gallery, asked, "--size", 8): "--size must be at least 32",
        (gallery, asked, "--size", 2000): "at most 1024",
        (gallery, asked, "--subject", "sub"): "subject",
        (gallery, asked, "--subject", "(?P<subject>person)"): "finds no subject",
        (tmp_path / "study", asked, "--rate", 0.1): "A study has its own --rate",
    }.items():
        told = command(*words)
        assert told.exit_code == 2 and said in told.stderr.replace("\n", " "), (words, told.output)


@pytest.mark.slow
def test_a_release_is_a_folder_of_pictures(small, tmp_path):
    """The other files of a release are counted as ignored."""
    shutil.copytree(small / "others", tmp_path / "release" / "images")
    for name in ("manifest.json", "labels.csv", "README.md"):
        (tmp_path / "release" / name).write_text("{}")
    found = match_pictures(small / "gallery", tmp_path / "release", size=32)
    assert [row.file for row in found.rows] == [f"images/{file.name}" for file in sorted((small / "others").iterdir())]
    assert any("3 files without a picture ignored" in note for note in found.notes)


def test_a_picture_that_nobody_looks_at_is_no_clean_one(small, tmp_path):
    """A picture of somebody in the gallery, in forms that no reader takes: exit code 3, one row each."""
    known = Image.open(sorted((small / "gallery").iterdir())[0])
    for name, form in (("a.gif", "GIF"), ("b.ppm", "PPM"), ("c", "PNG"), (".d.png", "PNG")):
        known.save(tmp_path / name, form)
    (tmp_path / "e.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(64))
    (tmp_path / "labels.csv").write_text("file,label\n")
    told = command(small / "gallery", tmp_path, "--size", 32, "--json")
    assert told.exit_code == 3, told.output
    figures = json.loads(told.stdout)
    assert (figures["images"], figures["refused"], figures["ignored"], figures["by"]) == (5, 5, 1, {"unread": 5})


@pytest.mark.slow
def test_a_gallery_with_unread_pictures_says_so(small, tmp_path):
    shutil.copytree(small / "gallery", tmp_path / "gallery")
    (tmp_path / "gallery" / "broken.png").write_bytes(b"no picture")
    found = match_pictures(tmp_path / "gallery", small / "asked", size=32)
    assert "1 picture of GALLERY could not be read: nobody looked for the people on it." in found.notes
    with pytest.raises(InputError, match="No picture here can be read"):
        (tmp_path / "bad").mkdir()
        (tmp_path / "bad" / "broken.png").write_bytes(b"no picture")
        match_pictures(tmp_path / "bad", small / "asked")


def test_the_rate_counts_strangers_that_score_as_high():
    strangers = np.array([1.0, 2.0, 2.0, 3.0], np.float32)
    found = stranger_rate(np.array([0.5, 2.0, 2.5, 4.0, np.nan]), strangers)
    np.testing.assert_allclose(found, [1.0, 0.8, 0.4, 0.2, 0.2])
