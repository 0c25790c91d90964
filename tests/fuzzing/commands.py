"""What `audit`, `metrics`, `match`, `utility` and `verify` owe for any input: every file and link is accounted for."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path

from unpersonal.audit.reading import read_side, side_read
from unpersonal.core.errors import InputError
from unpersonal.images.archives import NestedArchive
from unpersonal.images.picture import split_name
from unpersonal.images.preprocess import PreprocessConfig
from unpersonal.images.rows import RowsArchive
from unpersonal.layouts.account import Account
from unpersonal.match import match_pictures
from unpersonal.match_result import UNREAD
from unpersonal.release.verify import check_release
from unpersonal.utility.compare import compare_folders
from unpersonal.utility.sides import Question, read_labelled

from . import trees
from .contracts import check_input_error, require


def lying_in(folder: Path) -> int:
    """Files, and links to folders, below a folder."""
    return sum(
        len(files) + sum(os.path.islink(os.path.join(top, name)) for name in folders)
        for top, folders, files in os.walk(folder)
    )


PEOPLE = 24
"""Enough for a figure of `metrics`, and for a gallery of `match`."""


@cache
def _clean() -> Path:
    """A folder of pictures of as many people, that stay as they are."""
    return _pictures(Path(tempfile.mkdtemp(prefix="fuzz-")), 900)


def _pictures(folder: Path, first: int) -> Path:
    folder.mkdir(exist_ok=True)
    for i in range(PEOPLE):
        (folder / f"{i}.png").write_bytes(trees.picture(first + i))
    return folder


def warm_up() -> None:
    """Import and make ready what `metrics` and `match` use."""
    with tempfile.TemporaryDirectory() as temporary:
        sides = [_pictures(Path(temporary) / name, first) for name, first in (("a", 0), ("b", 100))]
        compare_folders(sides[0], sides[1], size=32, device="cpu")
        match_pictures(sides[0], sides[1], subject="file", size=32, device="cpu")


def side_case(place: Path, name: str, *, whole: bool) -> str:
    """Read a place as a side of an audit, or as that of `metrics` (`whole`); returns `side`, `figures` or `InputError`.

    Every file and link of a folder is accounted for.
    """
    try:
        if whole:
            sides = (
                {"real": place, "synthetic": _clean()} if name == "train" else {"real": _clean(), "synthetic": place}
            )
            figures = compare_folders(sides["real"], sides["synthetic"], size=32, device="cpu")
            json.dumps(figures.to_json(), allow_nan=False)
            account = next(side for side in figures.sides if side.side == ("real" if name == "train" else "synthetic"))
            _adds_up(account)
            return "figures"
        given = read_side(place, name, "file", 32)
    except InputError as error:
        return check_input_error(error)
    account = side_read(name, given, len(given.views))
    _adds_up(account)
    require(len(given.names) + len(given.unread) == account.read + account.refused, "a picture is in no account")
    if place.is_dir() and not isinstance(given.source.archive, RowsArchive | NestedArchive):
        files = {split_name(image)[0] for image in (*given.names, *(row[0] for row in given.unread))}
        there = lying_in(place)
        told = len(files) + given.ignored
        require(told == there, f"{there} files and links, {told} in the account")
    return "side"


def matched_case(place: Path, name: str) -> str:
    """Compare the pictures of a place with clean ones, as `GALLERY` or as `IMAGES`; returns `matched`, `InputError`."""
    sides = (place, _clean()) if name == "GALLERY" else (_clean(), place)
    try:
        result = match_pictures(*sides, subject="file", size=32, device="cpu")
    except InputError as error:
        return check_input_error(error)
    json.dumps(result.to_json(private=True), allow_nan=False)
    for side in result.sides:
        _adds_up(side)
    account = next(side for side in result.sides if side.side == "IMAGES")
    unread = sum(row.matcher == UNREAD for row in result.rows)
    require(len(result.rows) == account.read + account.refused, "a picture without a row")
    require(
        unread == account.refused and all(row.refused for row in result.rows if row.why), "an unread picture passes"
    )
    return "matched"


def labelled_case(place: Path, options: dict[str, object]) -> str:
    """Read a place as a side of `utility`; returns `labelled` or `InputError`. Pictures and other files add up."""
    label = options.get("label_from")
    question = Question(str(label) if label else None, "(?P<subject>p\\d+)", "auto", PreprocessConfig(size=32))
    try:
        side = read_labelled(place, "t", "--train", question)
    except InputError as error:
        return check_input_error(error)
    lengths = {len(side.images), len(side.labels), len(side.groups), len(side.pixels)}
    require(len(lengths) == 1 and all(side.labels), "pictures without labels, people or pixels")
    require(sum(side.refused.values()) == sum(side.refused_by_suffix.values()), "a refusal of no kind")
    require(side.ignored == sum(side.ignored_by.values()), "an ignored file of no kind")
    if place.is_dir():
        there, told = lying_in(place), len(side.images) + sum(side.refused.values()) + side.ignored
        require(told >= there or _holds_rows(place), f"{there} files and links, {told} in the account")
    return "labelled"


def _holds_rows(place: Path) -> bool:
    """Whether it is a data set of rows, or of archives: the files are not those that are counted."""
    return any(path.suffix in (".arrow", ".parquet", ".zip", ".tar", ".gz", ".tgz", ".xz") for path in place.rglob("*"))


def _adds_up(account: Account) -> None:
    told = account.read + account.refused + account.ignored
    require(account.found == told, f"the account of {account.side} does not add up")


def release_case(place: Path) -> str:
    """Verify a release; returns what it is called, or `InputError`. Every file and link is accounted for."""
    try:
        found = check_release(place)
    except InputError as error:
        return check_input_error(error)
    json.dumps(found.problems)
    if place.is_dir():
        there = lying_in(place)
        require(found.found == there, f"{there} files and links, {found.found} in the account")
    require(bool(found.problems) == (found.state not in ("intact", "intact-with-litter")), "a state that is not told")
    return found.state
