"""Where the matrix is written: a folder with all its forms, or one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..core.errors import InputError
from ..core.files import atomic_path, write_json, write_text
from .matrix_figures import MatrixFigures
from .matrix_picture import matrix_png
from .matrix_told import markdown


def _write_picture(path: Path, figures: MatrixFigures) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(matrix_png(figures))


FORMS: dict[str, Callable[[Path, MatrixFigures], None]] = {
    ".json": lambda path, figures: write_json(path, figures.to_json()),
    ".md": lambda path, figures: write_text(path, markdown(figures)),
    ".png": _write_picture,
}
"""What is written, by suffix."""


def check_out(out: Path, sides: Iterable[Path]) -> None:
    """`InputError` where the matrix cannot be written to `out`, or would lie among the pictures of a side."""
    place = Path(os.path.realpath(out))
    for side in sides:
        real = Path(os.path.realpath(side))
        if place == real or (real.is_dir() and real in place.parents):
            raise InputError(
                "The results would lie in a data set, and be read with it", where=f"--out {out}", how="choose another"
            )
    if out.suffix.lower() in FORMS:
        wrong = "This is a folder, not a file to write" if out.is_dir() else ""
    else:
        wrong = "This is a file, not a folder to write in" if out.exists() and not out.is_dir() else ""
    if wrong:
        raise InputError(wrong, where=f"--out {out}", how=f"name a folder, or a file ending in {', '.join(FORMS)}")


def write_matrix(out: Path, figures: MatrixFigures) -> list[Path]:
    """Write the form that the suffix of `out` asks for, or all of them into the folder `out`; returns their paths."""
    paths = written_at(out)
    for path in paths:
        FORMS[path.suffix.lower()](path, figures)
    return paths


def written_at(out: Path) -> list[Path]:
    """The files that `write_matrix` writes."""
    return [out] if out.suffix.lower() in FORMS else [out / f"utility{each}" for each in FORMS]
