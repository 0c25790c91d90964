"""Hugging Face data sets: an `imagefolder` tree, or what `Dataset.save_to_disk` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.errors import InputError
from ...core.letters import one_spelling
from ...core.words import plural
from ...images.archives import ImageArchive
from ...images.archives_huggingface import HuggingFaceArchive, data_files, is_saved_dataset
from ...images.archives_parquet import ParquetArchive, holds_parquet_images, parquet_files
from ...images.rows import SINGLE, RowsArchive
from ..columns import Columns, archive_columns, has_columns
from ..config import CohortConfig
from ..layout import Layout, Opener
from ..left_out import sort_out
from ..listing import (
    Listing,
    Problems,
    check_names,
    choose_classes,
    labels_by_pattern,
    make_listing,
    subjects_by_pattern,
)
from ..names import image_names, note_near_names, tables_named, true_names, unlisted_note
from ..rows import (
    Settled,
    Wanted,
    asked_columns,
    declared_subjects,
    sort_rows,
    split_column_note,
    table_labels,
    table_splits,
    table_subjects,
)
from ..split_folders import SPLIT_NAMES, split_folder_note, split_folders
from .folder import LAYOUT as FOLDER

SAVED = r"dataset_dict\.json|state\.json"  # files of `save_to_disk`
METADATA = r"metadata\.(csv|jsonl|parquet)"
FILE_NAME = "file_name"
LISTED = 3
"""Columns that a note names."""
NO_SUBJECT = "give --subject-column (a column of the metadata or the data set), or --subject REGEX or file"


def read_huggingface(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """An `imagefolder` tree or a saved data set; the splits that it comes with are kept as official ones."""
    if isinstance(archive, RowsArchive):
        return read_saved(config, archive)
    names = archive.names()
    if inside := tables_named(names, SAVED):
        raise InputError(
            f"A saved data set lies in here ({inside[0]})",
            where=str(path),
            how="unpack it if this is a zip, and name the folder that save_to_disk wrote",
        )
    metadata = metadata_files(archive, names)
    return read_described(config, path, archive, metadata) if metadata else read_tree(config, path, archive)


def metadata_files(archive: ImageArchive, names: Sequence[str]) -> list[str]:
    """The metadata tables of an `imagefolder`: `metadata.csv`, `.jsonl` or `.parquet` with a column `file_name`."""
    return [name for name in tables_named(names, METADATA) if has_columns(archive, name, [FILE_NAME])]


def read_tree(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """An `imagefolder` without metadata: `[split/]label/…/image`; subject by `--subject`."""
    problems = Problems(str(path))
    found, ignored = image_names(archive, path)
    names, left = sort_out(config, archive, found)
    if config.split_column is not None or config.label_columns:
        problems.add(
            "There is no metadata table that could have the columns named by --split-column or --label-columns",
            "leave the options out, or add metadata.csv with the column file_name",
        )
    if config.subject is None:
        problems.add("Nothing says which images show the same person", NO_SUBJECT)
    problems.raise_any()
    subjects = subjects_by_pattern(names, config.subject or "file", problems)
    splits, inner = _folders_of_splits(names, config)
    labels = _labels_of_folders(names, inner, config, problems)
    classes = choose_classes(labels, config.classes, problems)
    problems.raise_any()
    settled: list[Settled] = [(row, "", "") for row in labels]
    records, refused = sort_rows(names, subjects, settled, splits)
    notes = [] if any(splits) or not config.official_splits else split_folder_note(names)
    refused += left
    return make_listing(archive, records, classes, ignored, refused=refused, official=any(splits), notes=notes)


def read_described(config: CohortConfig, path: Path, archive: ImageArchive, metadata: Sequence[str]) -> Listing:
    """An `imagefolder` with metadata, in the root or in each split's folder; `file_name` is relative to its table.

    Labels are in `--label-column` or `--label-columns` of the metadata; where there is no column `label`, or under
    `--label-from`, they are those of the paths.
    """
    problems = Problems(str(path))
    if config.label_from != "folder" and (config.label_columns or _names_label_column(config)):
        problems.add(
            "--label-from takes the label from the path, --label-column and --label-columns take it from the metadata",
            "leave one of them out",
        )
    needed = Wanted(config, FILE_NAME)
    tables = [(PurePosixPath(name).parent, archive_columns(archive, name, needed)) for name in metadata]
    for _, columns in tables:
        _require(columns, config, problems)
    problems.raise_any()
    listed = [(base / name).as_posix() for base, columns in tables for name in _file_names(columns, problems)]
    present = archive.names()
    names = true_names(archive, check_names(listed, problems), present, problems)
    splits, inner = _folders_of_splits(names, config)
    rows = _described_rows([columns for _, columns in tables], names, inner, config, problems)
    labels = [row[0] for row in rows.settled]
    classes = choose_classes(labels, config.classes or config.label_columns, problems)
    problems.raise_any()
    near = note_near_names(archive, names, present, problems)
    problems.raise_any()
    official = config.split_column is None and any(splits)
    chosen = splits if config.split_column is None else rows.splits
    records, refused = sort_rows(names, rows.subjects, rows.settled, chosen)
    ignored, notes = unlisted_note(present, records, refused, metadata)
    divided = [] if official else _divided_notes([columns for _, columns in tables], names, config)
    return make_listing(
        archive,
        records,
        classes,
        ignored,
        tables=metadata,
        refused=refused,
        official=official,
        notes=(*notes, *near, *divided),
        declared=rows.declared,
    )


@dataclass
class _DescribedRows:
    """What the rows read so far say of their images, in parallel; `splits` are those of `--split-column`."""

    subjects: list[str] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    declared: dict[str, str] = field(default_factory=dict)


def _described_rows(
    tables: Sequence[Columns], names: Sequence[str], inner: Sequence[str], config: CohortConfig, problems: Problems
) -> _DescribedRows:
    """The rows of all tables; `inner` are the `names` inside the folders of splits."""
    found = _DescribedRows()
    for columns in tables:
        rows = slice(len(found.subjects), len(found.subjects) + len(columns))
        found.subjects += table_subjects(columns, config, names[rows], problems)
        found.declared |= declared_subjects(columns, config, names[rows])
        if config.label_columns or (config.label_from == "folder" and config.label_column in columns.cells):
            found.settled += table_labels(columns, config, names[rows], problems)
        else:
            labels = _labels_of_folders(names[rows], inner[rows], config, problems)
            found.settled += [(row, "", "") for row in labels]
        found.splits += table_splits(columns, config.split_column, problems)
    return found


def _divided_notes(tables: Sequence[Columns], names: Sequence[str], config: CohortConfig) -> list[str]:
    """Sentences where columns or folders look like splits and were not read as such."""
    notes = list(dict.fromkeys(note for columns in tables for note in split_column_note(columns, config)))
    if notes or config.split_column is not None or not config.official_splits:
        return notes
    return split_folder_note(names)


def read_saved(config: CohortConfig, archive: RowsArchive) -> Listing:
    """A saved `Dataset` or `DatasetDict`, or Parquet with images: subject and labels in the columns that are named.

    Labels are ClassLabel (the names), text or numbers, or lists of them.
    """
    problems = Problems(str(archive.root))
    if config.subject not in (None, "file"):
        problems.add(
            "The rows of a saved data set have no paths that --subject could be searched in",
            "name the column that says who it is with --subject-column, or give --subject file",
        )
        problems.raise_any()
    official = config.official_splits and config.split_column is None and list(archive.splits) != [SINGLE]
    names: list[str] = []
    rows = _DescribedRows()
    notes: dict[str, None] = {}
    for split in archive.splits:
        own = archive.split_names(split)
        columns = _columns_of(archive, split, config, own)
        _require(columns, config, problems, saved=True)
        problems.raise_any()
        names += own
        rows.subjects += table_subjects(columns, config, own, problems)
        rows.declared |= declared_subjects(columns, config, own)
        rows.settled += table_labels(columns, config, own, problems)
        given = table_splits(columns, config.split_column, problems)
        rows.splits += [_named_split(split, problems)] * len(own) if official else given
        notes |= dict.fromkeys(() if official else split_column_note(columns, config))
    if not names:
        problems.add("The data set has no rows", "save it with its images")
    labels = [row[0] for row in rows.settled]
    classes = choose_classes(labels, config.classes or config.label_columns, problems)
    problems.raise_any()
    records, refused = sort_rows(names, rows.subjects, rows.settled, rows.splits)
    notes |= dict.fromkeys(_other_pictures(archive, config))
    return make_listing(
        archive, records, classes, refused=refused, official=official, notes=notes, declared=rows.declared
    )


def _other_pictures(archive: RowsArchive, config: CohortConfig) -> list[str]:
    """A sentence where further columns may hold pictures: nobody looks at them."""
    asked = {archive.column, *asked_columns(config)}
    found = [name for name in archive.pictured if name not in asked]
    if not found:
        return []
    listed = ", ".join(map(repr, found[:LISTED])) + (", …" if len(found) > LISTED else "")
    columns = plural(len(found), "further column")
    return [
        f"{columns} may hold pictures ({listed}), and nobody looked at them: the images are those of"
        f" {archive.column!r} (--image-column names another)."
    ]


def _require(columns: Columns, config: CohortConfig, problems: Problems, saved: bool = False) -> None:
    """Note the columns that are asked for and not there; the label may come from folders unless its column is named."""
    wanted = {"--subject-column": [config.subject_column] if config.subject is None else []}
    wanted["--label-columns"] = config.label_columns
    if not config.label_columns and (saved or _names_label_column(config)):
        wanted["--label-column"] = [config.label_column]
    if config.split_column is not None:
        wanted["--split-column"] = [config.split_column]
    for option, names in wanted.items():
        for name in names:
            columns.require(name, f"name the right one with {option}", problems)


def _names_label_column(config: CohortConfig) -> bool:
    """Whether the column of the label is named, not left at its default."""
    default: str = CohortConfig.model_fields["label_column"].default
    return config.label_column != default


def _file_names(columns: Columns, problems: Problems) -> list[str]:
    names = columns.texts(FILE_NAME)
    if not all(names):
        problems.add(f"Row {columns.rows[names.index('')]} of {columns.where} names no file", "fill in file_name")
    return names


def _folders_of_splits(names: Sequence[str], config: CohortConfig) -> tuple[list[str | None], list[str]]:
    """Split of every path by its folder, none under `--no-official-splits`, and the path inside that folder."""
    found, inner = split_folders(names)
    return (found if config.official_splits else [None] * len(names)), inner


def _labels_of_folders(
    names: Sequence[str], inner: Sequence[str], config: CohortConfig, problems: Problems
) -> list[tuple[str, ...]]:
    """Labels by `--label-from`: a pattern is searched in the whole path, the folder is looked for below the split."""
    return labels_by_pattern(inner if config.label_from == "folder" else names, config.label_from, problems)


def _columns_of(archive: RowsArchive, split: str, config: CohortConfig, names: Sequence[str]) -> Columns:
    """The columns of one split that the configuration asks for, class numbers as names."""
    asked = Wanted(config)
    cells: dict[str, list[Any]] = {}
    for stored in archive.column_names(split):
        name = one_spelling(stored)
        cells[name] = archive.cells(split, stored) if name in asked else []
    return Columns(f"{archive.root}: {split}", cells, list(range(1, len(names) + 1)))


def _named_split(name: str, problems: Problems) -> str | None:
    split = SPLIT_NAMES.get(name.lower())
    if split is None:
        problems.add(
            f"The split {name!r} is none of train, validation and test",
            "rename it before saving, or write --no-official-splits",
        )
    return split


def _open(config: CohortConfig, path: Path) -> ImageArchive:
    if path.is_dir() and is_saved_dataset(path):
        return HuggingFaceArchive(path, config.image_column)
    return ParquetArchive(path, config.image_column)


def _fits(path: Path) -> bool:
    return (path.is_dir() and is_saved_dataset(path)) or holds_parquet_images(path)


def _files(path: Path) -> list[str]:
    return data_files(path) if is_saved_dataset(path) else parquet_files(path)


def _told_by(archive: ImageArchive, names: Sequence[str], where: str) -> str | None:
    return next(iter((*tables_named(names, SAVED), *metadata_files(archive, names))), None)


def _check(config: CohortConfig, path: Path, problems: Problems) -> None:
    if config.label_from != "folder" and _fits(path):
        problems.add(
            "The rows of a data set have no paths that --label-from could be searched in",
            "name the column of the labels with --label-column",
        )


LAYOUT = Layout(
    name="huggingface",
    title="a data set of Hugging Face: an imagefolder tree, what save_to_disk wrote, or Parquet with images inside",
    read=read_huggingface,
    opener=Opener(_fits, _open, _files),
    told_by=_told_by,
    instead=FOLDER.name,
    reads=(
        "label_from",
        "image_column",
        "subject_column",
        "label_column",
        "label_columns",
        "split_column",
        "missing",
        "uncertain",
    ),
    check=_check,
    official_splits=True,
    keeps_split_folders=True,
    splits_from="give the splits by folders (train, validation, test) or, in metadata, by --split-column",
    tables=METADATA,
    names_files=True,
)
