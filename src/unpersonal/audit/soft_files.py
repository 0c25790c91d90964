"""Class probabilities beside somebody's released pictures: whoever has the pictures has them as well."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from ..cohort.soft_labels import FILE, SoftLabels, from_csv
from ..core.errors import InputError
from ..images.picture import ImageError, split_name
from ..layouts.pictures import Pictures

IMAGES = "images"
"""The folder of the pictures in a release; the table lies beside it."""


def find_soft(path: Path, pictures: Pictures) -> SoftLabels | None:
    """The probabilities of the released `pictures` in their order; None where `path` holds no such table.

    A table that is broken, or does not have every picture once and nothing else, is an `InputError`.
    """
    where = f"--synthetic {path}"
    try:
        found = _tables(path, pictures)
    except ImageError as error:
        raise InputError(f"{FILE} cannot be read: {error}", where=where, how="give the file itself") from None
    if not found:
        return None
    how = f"give the release as it is, or take {FILE} away where it is not to be released"
    if len(found) > 1:
        raise InputError(f"There are {len(found)} tables {FILE}", where=where, how="audit one release at a time")
    [(place, raw)] = found.items()
    try:
        names, soft = from_csv(raw.decode("utf-8"))
    except ValueError as error:  # of what is no text, too
        raise InputError(f"{FILE} is broken: {error}", where=where, how=how) from None
    line = {name: row for row, name in enumerate(names)}
    rows = [line.get(_in_table(name, place)) for name in pictures.names]
    kept = [row for row in rows if row is not None]
    if len(kept) < len(rows) or set(kept) != set(line.values()):
        raise InputError(f"{FILE} does not fit the pictures, one line for each", where=where, how=how)
    return soft.only(np.array(kept, dtype=np.int64))


def _tables(path: Path, pictures: Pictures) -> dict[str, bytes]:
    """Every table by the folder of pictures that it speaks of, relative to `path` (`` is `path` itself)."""
    assert pictures.source is not None
    archive = pictures.source.archive
    found = {
        str(PurePosixPath(name).parent): archive.open_bytes(name)
        for name in archive.names()
        if PurePosixPath(name).name == FILE
    }
    beside = path.parent / FILE
    if path.name == IMAGES and path.is_dir() and beside.is_file():
        found["."] = beside.read_bytes()
    return found


def _in_table(picture: str, place: str) -> str:
    """How the table in `place` calls a picture."""
    file = PurePosixPath(split_name(picture)[0])
    inside = file.relative_to(place) if file.is_relative_to(place) else file
    return str(inside.relative_to(IMAGES) if inside.is_relative_to(IMAGES) else inside)
