"""The layouts: `folder`, `kermany`, `table` and `filelist`, each from configuration to a `Listing`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .config import CohortConfig
from .listing import (
    Listing,
    Problems,
    Record,
    check_names,
    choose_classes,
    labels_by_pattern,
    make_listing,
    subjects_by_pattern,
)
from .sources import Source, is_image_name, open_source

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
LIST_SUFFIXES = (".txt", ".lst", ".list")
# label columns of the public ChestX-ray8 lists, in their order
CHEST8 = (
    "No Finding",
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
)
# Kermany et al., Cell 172 (2018): person<N>_<type>_<M>.jpeg and [NORMAL2-]IM-<N>-<k>[-<j>].jpeg
KERMANY = re.compile(
    r"(?:^|/)(?:(?P<person>person\d+_(?P<type>bacteria|virus))_\d+(?:_\d+)?"
    r"|(?:NORMAL2-)?(?P<normal>IM-\d+)-\d+(?:-\d+)?)\.(?:jpeg|jpg|png)$"
)
KERMANY_CLASSES = ("normal", "bacteria", "virus")
SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "aux": "aux", "auxiliary": "aux", "test": "test", "testing": "test",
}  # fmt: skip


def read_listing(config: CohortConfig, base: Path) -> Listing:
    """The images that the input declares, with subject, labels and split; every input error found is raised."""
    path = input_path(config, base)
    layout = recognise(path) if config.layout == "auto" else config.layout
    if layout in ("table", "filelist") and path.is_dir():
        raise InputError(
            f"The layout {layout} needs a file, and this is a folder", where=str(path), how="name the file"
        )
    source = image_source(config, base)
    return {"folder": read_folder, "kermany": read_kermany, "table": read_table, "filelist": read_filelist}[layout](
        config, path, source
    )


def input_path(config: CohortConfig, base: Path) -> Path:
    """The input on disk; a path that does not exist is an `InputError`."""
    path = base / Path(config.images).expanduser()
    if not path.exists():
        raise InputError("There is no such file or folder", where=str(path), how="correct the path of the images")
    return path


def image_source(config: CohortConfig, base: Path) -> Source:
    """Where the images of a configured cohort lie; image paths in `cohort.parquet` are relative to it."""
    path = input_path(config, base)
    if config.root is not None:
        return open_source(base / Path(config.root).expanduser())
    listed = config.layout in ("table", "filelist") or path.suffix.lower() in TABLE_SUFFIXES + LIST_SUFFIXES
    return open_source(path.parent if listed and path.is_file() else path)


def recognise(path: Path) -> str:
    """The layout of an input: a table or list by suffix, `kermany` if every image is named so, else `folder`."""
    if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES:
        return "table"
    if path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
        return "filelist"
    names = open_source(path).image_names()
    return "kermany" if names and all(KERMANY.search(name) for name in names) else "folder"


def read_folder(config: CohortConfig, path: Path, source: Source) -> Listing:
    """Nested folders: subject by `--subject`, label by the parent folder or by `--label-from`."""
    problems = Problems(str(path))
    names, ignored = _image_names(source, path)
    if config.subject is None:
        problems.add(
            "Nothing says which images show the same person",
            r"give --subject a pattern such as '(?P<subject>sub-\d+)', or --subject file if no person is on two images",
        )
        problems.raise_any()
    subjects = subjects_by_pattern(names, config.subject or "file", problems)
    labels = labels_by_pattern(names, config.label_from, problems)
    classes = choose_classes(labels, config.classes, problems)
    problems.raise_any()
    records = (Record(*fields) for fields in zip(names, subjects, labels, strict=True))
    return make_listing("folder", source, records, classes, ignored)


def read_kermany(config: CohortConfig, path: Path, source: Source) -> Listing:
    """Names of the paediatric chest radiographs of Kermany et al.: subject and label are in the name."""
    problems = Problems(str(path))
    names, ignored = _image_names(source, path)
    matches = [KERMANY.search(name) for name in names]
    missed = [name for name, match in zip(names, matches, strict=True) if match is None]
    if missed:
        problems.add(
            f"{len(missed)} of {len(names)} images are not named as in the Kermany data (for example {missed[0]!r})",
            "use --layout folder with --subject, or move those images away",
        )
        problems.raise_any()
    found = [match for match in matches if match is not None]
    subjects = [match["person"] or match["normal"] for match in found]
    if config.subject is not None:
        subjects = subjects_by_pattern(names, config.subject, problems)
    labels = [(match["type"] or "normal",) for match in found]
    classes = choose_classes(labels, config.classes or KERMANY_CLASSES, problems)
    problems.raise_any()
    records = (Record(*fields) for fields in zip(names, subjects, labels, strict=True))
    return make_listing("kermany", source, records, classes, ignored)


def read_table(config: CohortConfig, path: Path, source: Source) -> Listing:
    """CSV, TSV or Parquet with one row per image; several labels are written `a|b`."""
    problems = Problems(str(path))
    columns = _read_columns(path)
    wanted = {"--image-column": config.image_column, "--label-column": config.label_column}
    if config.subject is None:
        wanted["--subject-column"] = config.subject_column
    if config.split_column is not None:
        wanted["--split-column"] = config.split_column
    for option, name in wanted.items():
        if name not in columns:
            there = ", ".join(columns) or "none"
            problems.add(
                f"The table has no column {name!r} (its columns: {there})", f"name the right one with {option}"
            )
    problems.raise_any()
    names = check_names([_text(value) for value in columns[config.image_column]], problems)
    if not names:
        problems.add("The table has no rows", "add one row per image")
    if config.subject is None:
        subjects = [_text(value) for value in columns[config.subject_column]]
    else:
        subjects = subjects_by_pattern(names, config.subject, problems)
    labels = [_table_labels(value) for value in columns[config.label_column]]
    for what, values in (("subject", subjects), ("label", labels)):
        if empty := [name for name, value in zip(names, values, strict=True) if not value]:
            problems.add(f"{len(empty)} of {len(names)} rows have no {what} (for example {empty[0]!r})", "fill them in")
    splits = _table_splits(columns[config.split_column], problems) if config.split_column else [None] * len(names)
    classes = choose_classes(labels, config.classes, problems)
    problems.raise_any()
    records = (Record(*fields) for fields in zip(names, subjects, labels, splits, strict=True))
    return make_listing("table", source, records, classes)


def read_filelist(config: CohortConfig, path: Path, source: Source) -> Listing:
    """The paper's file lists: `path one-hot…`, all positives kept."""
    problems = Problems(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(
            f"The file list cannot be read ({error})", where=str(path), how="save it as UTF-8 text"
        ) from None
    rows, classes = parse_filelist(text, config.classes or None, where=str(path))
    names = check_names([name for name, _ in rows], problems)
    if config.subject is None:
        problems.add(
            "Nothing says which images of the list show the same person",
            r"give --subject a pattern such as '(?P<subject>\d+)_\d+\.png', or --subject file",
        )
        problems.raise_any()
    subjects = subjects_by_pattern(names, config.subject or "file", problems)
    problems.raise_any()
    labels = [labels for _, labels in rows]
    return make_listing(
        "filelist", source, (Record(*row) for row in zip(names, subjects, labels, strict=True)), classes
    )


def parse_filelist(
    text: str, classes: Sequence[str] | None = None, *, where: str = "file list"
) -> tuple[list[tuple[str, tuple[str, ...]]], tuple[str, ...]]:
    """Rows (path, labels) of a list `path one-hot…` and the names of its columns.

    A path may contain spaces; every positive is kept, a row without one has no label. Without `classes`, eight columns
    get the names of ChestX-ray8. Rows with another number of columns or values other than 0 and 1 are an `InputError`.
    """
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError("The file list is empty", where=where, how="write one line per image: path and one-hot labels")
    if classes is None:
        columns = _one_hot_width(lines[0][1])
        if columns != len(CHEST8):
            raise InputError(
                f"The list has {columns} label columns without names", where=where, how="name them: --classes"
            )
        classes = CHEST8
    rows, bad = [], []
    for (number, tokens), line in zip(lines, (line for line in text.splitlines() if line.strip()), strict=True):
        if _one_hot_width(tokens) != len(classes):
            bad.append(number)
            continue
        flags = tokens[len(tokens) - len(classes) :]
        name = line.strip().rsplit(maxsplit=len(classes))[0]
        rows.append((name, tuple(label for label, flag in zip(classes, flags, strict=True) if flag == "1")))
    if bad:
        raise InputError(
            f"{len(bad)} of {len(lines)} lines are not a path and {len(classes)} labels 0 or 1 (first: line {bad[0]})",
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


def _image_names(source: Source, path: Path) -> tuple[list[str], int]:
    names = source.names()
    images = [name for name in names if is_image_name(name)]
    odd = [name for name in images if not name.isprintable()]
    if odd:
        raise InputError(
            f"{len(odd)} of {len(images)} image names are not plain text (for example {odd[0]!r})",
            where=str(path),
            how="rename them; names are UTF-8 without control characters",
        )
    if not images:
        raise InputError(
            f"There are no images here ({len(names)} other files)",
            where=str(path),
            how="name a folder or zip with png, jpg, tif, bmp or webp files",
        )
    return images, len(names) - len(images)


def _read_columns(path: Path) -> dict[str, list[Any]]:
    """Columns of a table as lists; CSV and TSV cells stay text."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix.lower() == ".parquet":
            table = pq.ParquetFile(path).read()
            return {name: table.column(name).to_pylist() for name in table.column_names}
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        return {str(name): frame[name].tolist() for name in frame.columns}
    except (ValueError, KeyError, OSError, pa.ArrowException) as error:
        raise InputError(
            f"The table cannot be read ({' '.join(str(error).split())})",
            where=str(path),
            how="save it as UTF-8 CSV, TSV or Parquet with distinct column names",
        ) from None


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _table_labels(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else _text(value).split("|")
    return tuple(dict.fromkeys(_text(part) for part in parts if _text(part)))


def _table_splits(values: Sequence[Any], problems: Problems) -> list[str | None]:
    found = [SPLIT_NAMES.get(_text(value).lower()) for value in values]
    unknown = sorted({_text(value) for value, split in zip(values, found, strict=True) if split is None})
    if unknown:
        problems.add(f"The split column holds {unknown[:5]!r}", "write train, val, aux or test in every row")
    return found
