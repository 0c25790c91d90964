"""The paper's file lists: `path one-hot…`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.errors import InputError
from ...core.words import plural, share
from ...images.archives import ImageArchive
from ..columns import decode_text, read_text_file
from ..config import CohortConfig
from ..labels import CHEST8
from ..layout import Layout
from ..listing import ListedImage, Listing, Problems, check_names, make_listing, subjects_by_pattern
from ..names import names_around, note_near_names, true_names, unlisted_note

MOST_COLUMNS = 10_000  # that are counted where no --classes name them


def read_filelist(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """The paper's file lists: `path one-hot…`, all positives kept."""
    problems = Problems(str(path))
    text = decode_text(read_text_file(path, "file list"), str(path), what="file list")
    rows, classes = parse_filelist(text, config.classes or None, where=str(path))
    around = names_around(archive, path)
    names = true_names(archive, check_names([name for name, _ in rows], problems), around, problems)
    if config.subject is None:
        problems.add(
            "Nothing says which images of the list show the same person",
            r"give --subject a pattern such as '(?P<subject>\d+)_\d+\.png', or --subject file",
        )
        problems.raise_any()
    subjects = subjects_by_pattern(names, config.subject or "file", problems)
    problems.raise_any()
    labels = [labels for _, labels in rows]
    records = [ListedImage(*row) for row in zip(names, subjects, labels, strict=True)]
    near = note_near_names(archive, names, around, problems)
    problems.raise_any()
    ignored, notes = unlisted_note(around, records, (), [path.name])
    return make_listing(archive, records, classes, ignored, notes=(*notes, *near))


def parse_filelist(
    text: str, classes: Sequence[str] | None = None, *, where: str = "file list"
) -> tuple[list[tuple[str, tuple[str, ...]]], tuple[str, ...]]:
    """Rows (path, labels) of a list `path one-hot…` and the names of its columns.

    A path may contain spaces; every positive is kept, a row without one has no label. Without `classes`, eight columns
    get the names of ChestX-ray8. Rows with another number of columns or values other than 0 and 1 are an `InputError`.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError("The file list is empty", where=where, how="write one line per image: path and one-hot labels")
    if classes is None:
        columns = _one_hot_width(lines[0][1].rsplit(maxsplit=MOST_COLUMNS))
        if not columns:
            raise InputError(
                f"Line {lines[0][0]} is no path with labels 0 or 1 after it",
                where=where,
                how="write one line per image: path and one-hot labels, with spaces between",
            )
        if columns != len(CHEST8):
            raise InputError(
                f"The list has {plural(columns, 'label column', 'label columns')} without names",
                where=where,
                how="name them: --classes",
            )
        classes = CHEST8
    rows, bad = [], []
    for number, line in lines:
        if _one_hot_width(line.rsplit(maxsplit=len(classes) + 1)) != len(classes):  # one more, which is no flag
            bad.append(number)
            continue
        name, *flags = line.strip().rsplit(maxsplit=len(classes))
        rows.append((name, tuple(label for label, flag in zip(classes, flags, strict=True) if flag == "1")))
    if bad:
        raise InputError(
            f"{share(len(bad), len(lines), 'lines', 'is', 'are')} not a path and {len(classes)} labels 0 or 1 "
            f"(first: line {bad[0]})",
            where=where,
            how="correct these lines, or name as many --classes as the list has label columns",
        )
    return rows, tuple(classes)


def _one_hot_width(tokens: Sequence[str]) -> int:
    """Number of trailing 0/1 tokens, the first token (the path) never counted."""
    width = 0
    while width < len(tokens) - 1 and tokens[-1 - width] in ("0", "1"):
        width += 1
    return width


LAYOUT = Layout(
    name="filelist",
    title="a text with lines `path one-hot…`, as published with the paper (.txt, .lst or .list)",
    read=read_filelist,
    suffixes=(".txt", ".lst", ".list"),
    reads=("root",),
    classes_name_columns=True,
    names_files=True,
)
