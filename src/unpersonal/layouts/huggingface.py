"""Hugging Face data sets: an `imagefolder` tree, or what `Dataset.save_to_disk` wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..images.archives import ImageArchive
from ..images.archives_huggingface import SINGLE, HuggingFaceArchive
from .columns import Columns, archive_columns, has_columns
from .config import CohortConfig
from .listing import (
    Listing,
    Problems,
    check_names,
    choose_classes,
    labels_by_pattern,
    make_listing,
    subjects_by_pattern,
)
from .names import image_names, note_near_names, tables_named, unlisted_note
from .split_folders import SPLIT_NAMES, split_folder_note, split_folders
from .table import (
    Settled,
    Wanted,
    declared_subjects,
    sort_rows,
    split_column_note,
    table_labels,
    table_splits,
    table_subjects,
)

if TYPE_CHECKING:
    import datasets

SAVED = r"dataset_dict\.json|state\.json"  # files of `save_to_disk`
METADATA = r"metadata\.(csv|jsonl|parquet)"
FILE_NAME = "file_name"
NO_SUBJECT = "give --subject-column (a column of the metadata or the data set), or --subject REGEX or file"


def read_huggingface(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """An `imagefolder` tree or a saved data set; the splits that it comes with are kept as official ones."""
    if isinstance(archive, HuggingFaceArchive):
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
    names, ignored = image_names(archive, path)
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
    return make_listing(
        "huggingface", archive, records, classes, ignored, refused=refused, official=any(splits), notes=notes
    )


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
    names = check_names(listed, problems)
    splits, inner = _folders_of_splits(names, config)
    subjects: list[str] = []
    settled: list[Settled] = []
    given: list[str | None] = []
    declared: dict[str, str] = {}
    for _, columns in tables:
        rows = slice(len(subjects), len(subjects) + len(columns))
        subjects += table_subjects(columns, config, names[rows], problems)
        declared |= declared_subjects(columns, config, names[rows])
        if config.label_columns or (config.label_from == "folder" and config.label_column in columns.cells):
            settled += table_labels(columns, config, names[rows], problems)
        else:
            labels = _labels_of_folders(names[rows], inner[rows], config, problems)
            settled += [(row, "", "") for row in labels]
        given += table_splits(columns, config.split_column, problems)
    classes = choose_classes([row[0] for row in settled], config.classes or config.label_columns, problems)
    problems.raise_any()
    present = archive.names()
    near = note_near_names(archive, names, present, problems)
    problems.raise_any()
    official = config.split_column is None and any(splits)
    records, refused = sort_rows(names, subjects, settled, splits if config.split_column is None else given)
    ignored, notes = unlisted_note(present, records, refused, metadata)
    if not official:
        divided = list(dict.fromkeys(note for _, columns in tables for note in split_column_note(columns, config)))
        if not divided and config.split_column is None and config.official_splits:
            divided = split_folder_note(names)
        near += divided
    return make_listing(
        "huggingface",
        archive,
        records,
        classes,
        ignored,
        tables=metadata,
        refused=refused,
        official=official,
        notes=(*notes, *near),
        declared=declared,
    )


def read_saved(config: CohortConfig, archive: HuggingFaceArchive) -> Listing:
    """A saved `Dataset` or `DatasetDict`: subject in `--subject-column`, labels in `--label-column(s)`.

    Labels are ClassLabel (the names), text or numbers, or lists of them.
    """
    problems = Problems(str(archive.root))
    if config.subject not in (None, "file"):
        problems.add(
            "The rows of a saved data set have no paths that --subject could be searched in",
            "name the column that says who it is with --subject-column, or give --subject file",
        )
        problems.raise_any()
    records, refused, labels = [], [], []
    declared: dict[str, str] = {}
    notes: dict[str, None] = {}
    official = config.official_splits and config.split_column is None and list(archive.splits) != [SINGLE]
    for part, data in archive.splits.items():
        columns = _columns_of(data, config, f"{archive.root}: {part}")
        _require(columns, config, problems, saved=True)
        problems.raise_any()
        names = archive.split_names(part)
        subjects = table_subjects(columns, config, names, problems)
        declared |= declared_subjects(columns, config, names)
        settled = table_labels(columns, config, names, problems)
        splits = table_splits(columns, config.split_column, problems)
        notes |= dict.fromkeys(() if official else split_column_note(columns, config))
        if official:
            splits = [_named_split(part, problems)] * len(names)
        more, left_out = sort_rows(names, subjects, settled, splits)
        records += more
        refused += left_out
        labels += [row[0] for row in settled]
    if not labels:
        problems.add("The data set has no rows", "save it with its images")
    classes = choose_classes(labels, config.classes or config.label_columns, problems)
    problems.raise_any()
    return make_listing(
        "huggingface", archive, records, classes, refused=refused, official=official, notes=notes, declared=declared
    )


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
    return config.label_column != type(config).model_fields["label_column"].default


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


def _columns_of(data: datasets.Dataset, config: CohortConfig, where: str) -> Columns:
    """The columns of one part that the configuration asks for, class numbers as names."""
    table = data.data.table
    asked = Wanted(config)
    cells: dict[str, list[Any]] = {}
    for name in table.column_names:
        cells[name] = []
        if name in asked:
            decode = _decoder(data.features[name])
            cells[name] = [decode(value) for value in table.column(name).to_pylist()]
    return Columns(where, cells, list(range(1, len(data) + 1)))


def _decoder(feature: Any) -> Callable[[Any], Any]:
    """From stored values to names: a ClassLabel is stored as a number, none as null or -1."""
    inner = getattr(feature, "feature", None)
    if inner is not None:
        one = _decoder(inner)
        return lambda values: [one(value) for value in values or []]
    classes = getattr(feature, "names", None)
    if classes is None:
        return lambda value: value
    return lambda value: classes[value] if value is not None and 0 <= value < len(classes) else None


def _named_split(part: str, problems: Problems) -> str | None:
    split = SPLIT_NAMES.get(part.lower())
    if split is None:
        problems.add(
            f"The split {part!r} is none of train, validation and test",
            "rename it before saving, or write --no-official-splits",
        )
    return split
