"""Every command that reads folders accounts for each file and link of each side, damaged ones included."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unpersonal.cli import app
from unpersonal.images.reasons import Reason
from unpersonal.layouts.account import account_line, account_of
from unpersonal.phantom import write_phantom

DAMAGED = 2


@pytest.fixture(scope="module")
def sides(tmp_path_factory) -> Path:
    """Two folders of 24 people with a damaged picture, an empty one, a note, litter, a link out and a link to a folder
    in the first; and the first as a zip."""
    root = tmp_path_factory.mktemp("sides")
    for seed, name in enumerate(("real", "other")):
        write_phantom(root / name, subjects=24, seed=seed, size=32, findings=("No Finding", "Cardiomegaly"))
    real = root / "real"
    first = sorted(real.rglob("*.png"))[0]
    (first.parent / "cut.png").write_bytes(first.read_bytes()[:60])
    (first.parent / "empty.png").write_bytes(b"")
    (real / "note.txt").write_text("words")
    (real / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    shutil.make_archive(str(root / "packed"), "zip", real)
    os.symlink("/etc/hostname", first.parent / "out.png")
    os.symlink(root / "other", real / "linked")
    return root


def lying_in(path: Path) -> int:
    if path.is_file():
        with zipfile.ZipFile(path) as zipped:
            return sum(not entry.is_dir() for entry in zipped.infolist())
    return sum(
        len(files) + sum((Path(top) / name).is_symlink() for name in folders) for top, folders, files in os.walk(path)
    )


def told(*words: object) -> list[dict]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code in (0, 3), done.output
    return json.loads(done.stdout)["sides"]


@pytest.mark.parametrize("name", ["real", "packed.zip"])
@pytest.mark.parametrize("command", ["match", "utility"])
def test_nothing_is_left_out_of_the_account(sides: Path, command: str, name: str) -> None:
    given, other = sides / name, sides / "other"
    words = {
        "match": ("match", other, given, "--subject", "file"),
        "utility": ("utility", "--train", given, "--test", other, "--size", 32, "--seeds", 1, "--steps", 2),
    }[command]
    side = next(side for side in told(*words) if side["side"] in ("IMAGES", given.name))
    assert side["found"] == side["read"] + side["refused"] + side["ignored"] == lying_in(given)
    assert side["refused"] == sum(side["refused_by_reason"].values()) == sum(side["refused_by_suffix"].values())
    assert side["ignored"] == sum(side["ignored_by_suffix"].values()) and side["ignored_by_suffix"][".txt"] == 1
    assert side["refused"] == DAMAGED + 2 * (name == "real")


def test_a_line_tells_what_was_refused_and_ignored() -> None:
    rows = [("a.png", Reason.EMPTY, ""), ("b.dcm#frame=1", Reason.EMPTY, "")]
    account = account_of("x", 5, rows, {".txt": 2, "hidden": 1})
    assert (
        account.line() == "x: 10 found = 5 read + 2 refused + 3 ignored (refused: 2 empty; ignored: 2 .txt, 1 hidden)"
    )
    assert account.refused_by_suffix == {".dcm": 1, ".png": 1}
    assert account_line({**vars(account), "refused_by_reason": {}, "ignored_by_suffix": {}}).endswith("3 ignored")
