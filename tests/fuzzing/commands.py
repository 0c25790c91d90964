"""What `audit`, `metrics` and `verify` owe for any input: an answer in which every file and link is accounted for."""

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
from unpersonal.images.rows import RowsArchive
from unpersonal.release.verify import check_release
from unpersonal.utility.compare import compare_folders

from . import trees
from .contracts import check_input_error, require


def lying_in(folder: Path) -> int:
    """Files, and links to folders, below a folder."""
    return sum(
        len(files) + sum(os.path.islink(os.path.join(top, name)) for name in folders)
        for top, folders, files in os.walk(folder)
    )


@cache
def _clean() -> Path:
    """A folder of pictures that stay as they are."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for i in range(16):
        (folder / f"{i}.png").write_bytes(trees.picture(900 + i))
    return folder


def side_case(place: Path, name: str, *, whole: bool) -> str:
    """Read a place as a side of an audit, or as that of `metrics` (`whole`); returns `side`, `figures` or `InputError`.

    Every file and link of a folder is accounted for.
    """
    try:
        if whole:
            sides = (
                {"real": place, "synthetic": _clean()} if name == "train" else {"real": _clean(), "synthetic": place}
            )
            figures = compare_folders(sides["real"], sides["synthetic"], size=32)
            json.dumps(figures.to_json(), allow_nan=False)
            account = next(side for side in figures.sides if side.side == ("real" if name == "train" else "synthetic"))
            require(account.found == account.read + account.refused + account.ignored, "the account does not add up")
            return "figures"
        given = read_side(place, name, "file", 32)
    except InputError as error:
        return check_input_error(error)
    account = side_read(name, given, len(given.views))
    require(account.found == account.read + account.refused + account.ignored, "the account does not add up")
    require(len(given.names) + len(given.unread) == account.read + account.refused, "a picture is in no account")
    if place.is_dir() and not isinstance(given.source.archive, RowsArchive | NestedArchive):
        files = {split_name(image)[0] for image in (*given.names, *(row[0] for row in given.unread))}
        there = lying_in(place)
        told = len(files) + given.ignored
        require(told == there, f"{there} files and links, {told} in the account")
    return "side"


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
