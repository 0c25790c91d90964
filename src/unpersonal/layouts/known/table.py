"""CSV, TSV and Parquet with one row per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...images.archives import ImageArchive
from ..columns import TABLE_SUFFIXES, read_columns
from ..config import CohortConfig
from ..layout import Layout
from ..listing import Listing, Problems, check_names, choose_classes, make_listing
from ..names import names_around, note_near_names, true_names, unlisted_note
from ..rows import (
    Wanted,
    declared_subjects,
    require_columns,
    sort_rows,
    split_column_note,
    table_labels,
    table_splits,
    table_subjects,
)
from ..split_folders import split_folder_note


def read_table(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """CSV, TSV or Parquet with one row per image.

    Several labels are written `a|b` in `--label-column`, or as columns of 1, 0, -1 and blank in `--label-columns`.
    """
    columns = read_columns(path, Wanted(config, config.image_column))
    problems = Problems(str(path))
    require_columns(columns, config, problems)
    if not len(columns):
        problems.add("The table has no rows", "add one row per image")
    problems.raise_any()
    _refuse_pictures(columns.cells[config.image_column], config.image_column, path)
    around = names_around(archive, path)
    names = true_names(archive, check_names(columns.texts(config.image_column), problems), around, problems)
    subjects = table_subjects(columns, config, names, problems)
    settled = table_labels(columns, config, names, problems)
    splits = table_splits(columns, config.split_column, problems)
    classes = choose_classes([row[0] for row in settled], config.classes or config.label_columns, problems)
    problems.raise_any()
    records, refused = sort_rows(names, subjects, settled, splits)
    if config.text_column is not None:
        texts = dict(zip(names, columns.texts(config.text_column), strict=True))
        records = [replace(record, text=texts[record.image]) for record in records]
    near = note_near_names(archive, names, around, problems)
    problems.raise_any()
    ignored, notes = unlisted_note(around, records, refused, [path.name])
    divided = split_column_note(columns, config) or (split_folder_note(names) if config.split_column is None else [])
    said = (*notes, *near, *divided)
    declared = declared_subjects(columns, config, names)
    return make_listing(archive, records, classes, ignored, refused=refused, notes=said, declared=declared)


def _refuse_pictures(cells: Sequence[Any], column: str, path: Path) -> None:
    """`InputError` where a column that should name images holds them: their bytes say nothing to anybody."""
    if any(isinstance(cell, dict) or (isinstance(cell, bytes) and not cell.isascii()) for cell in cells):
        raise InputError(
            f"The column {column!r} holds the images themselves, not their paths",
            where=str(path),
            how="leave --layout out: what the file is, is recognised",
        )


LAYOUT = Layout(
    name="table",
    title="a table with one row per image (.csv, .tsv, also gzipped, or .parquet)",
    read=read_table,
    suffixes=TABLE_SUFFIXES,
    reads=(
        "image_column",
        "subject_column",
        "label_column",
        "label_columns",
        "split_column",
        "text_column",
        "root",
        "missing",
        "uncertain",
    ),
    splits_from="name the column of the splits with --split-column",
    names_files=True,
)
