"""CSV, TSV and Parquet with one row per image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ..config import CohortConfig
from ..listing import Listing, Problems, Record, check_names, choose_classes, make_listing, subjects_by_pattern
from ..sources import Source

SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "aux": "aux", "auxiliary": "aux", "test": "test", "testing": "test",
}  # fmt: skip


def read_table(config: CohortConfig, path: Path, source: Source) -> Listing:
    """CSV, TSV or Parquet with one row per image; several labels are written `a|b`."""
    problems = Problems(str(path))
    columns = read_columns(path)
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


def read_columns(path: Path) -> dict[str, list[Any]]:
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
