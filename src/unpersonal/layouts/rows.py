"""The rows of a table: subjects, labels and splits out of the columns that the configuration names."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

from ..core.letters import one_spelling
from ..core.words import plural, share
from ..images.reasons import Reason
from .columns import Columns, cell_text
from .config import CohortConfig
from .labels import UNLABELLED, Policy, is_blank, settle
from .listing import ListedImage, Problems, Refusal, subjects_by_pattern
from .split_folders import SPLIT_NAMES, mostly_splits, split_word
from .written_lists import NOTHING, written_list

FLAGS = {
    "1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0, "-1": -1, "-1.0": -1, "": None,
}  # fmt: skip
SPLIT_COLUMN = re.compile(r".*(split|set|fold)s?|partition|phase", re.IGNORECASE)
"""Names of columns that may hold splits."""
EXAMPLES = 5
Settled = tuple[tuple[str, ...], str, str]
"""Labels of one image, or reason and detail of its refusal (reason empty: kept)."""


class Wanted(Container[str]):
    """The columns to read: those that the configuration names, `more`, and those that may hold splits."""

    def __init__(self, config: CohortConfig, *more: str) -> None:
        self._named = {*asked_columns(config), *more}

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        plain = one_spelling(name)
        return plain in self._named or SPLIT_COLUMN.fullmatch(plain) is not None


def asked_columns(config: CohortConfig) -> set[str]:
    """The columns of subject, label, split and text that the configuration names."""
    named = {config.subject_column, config.label_column, *config.label_columns}
    return named | {name for name in (config.split_column, config.text_column) if name is not None}


def split_column_note(columns: Columns, config: CohortConfig) -> list[str]:
    """A sentence where a column that nobody asked for holds splits: people held out elsewhere would be trained on."""
    if config.split_column is not None:
        return []
    asked = {*asked_columns(config), config.image_column}
    for name in columns.cells:
        if name in asked or not SPLIT_COLUMN.fullmatch(name):
            continue
        cells = [cell for cell in columns.words(name) if not is_blank(cell)]
        exact = {cell.lower() for cell in cells} <= set(SPLIT_NAMES) and len(cells) == len(columns)
        if (exact and cells) or mostly_splits(map(split_word, cells)):
            mend = f"--split-column {name} keeps them"
            if not exact:
                mend += ", once every row holds train, val, aux or test"
            return [
                f"The column {name!r} looks like splits, and was not read as such: subjects are divided anew; {mend}."
            ]
    return []


def require_columns(columns: Columns, config: CohortConfig, problems: Problems) -> None:
    """Note every column that the configuration names and the table lacks."""
    wanted = {"--image-column": config.image_column}
    if config.subject is None:
        wanted["--subject-column"] = config.subject_column
    if not config.label_columns:
        wanted["--label-column"] = config.label_column
    if config.split_column is not None:
        wanted["--split-column"] = config.split_column
    if config.text_column is not None:
        wanted["--text-column"] = config.text_column
    wanted_names = [*wanted.items(), *(("--label-columns", name) for name in config.label_columns)]
    for option, name in wanted_names:
        columns.require(name, f"name the right one with {option}", problems)
    _refuse_text_of_subjects(config, problems)


def _refuse_text_of_subjects(config: CohortConfig, problems: Problems) -> None:
    """A problem where the text is a column of something else: a model conditioned on ids would learn who is who."""
    others: dict[str, Sequence[str | None]] = {
        "images": [config.image_column],
        "subjects": [config.subject_column],
        "labels": config.label_columns or [config.label_column],
        "splits": [config.split_column],
    }
    for what, names in others.items():
        if config.text_column is not None and config.text_column in names:
            problems.add(
                f"--text-column names {config.text_column!r}, the column of {what}",
                "name a column of reports or other text with --text-column, or leave it out",
            )


def table_subjects(columns: Columns, config: CohortConfig, names: Sequence[str], problems: Problems) -> list[str]:
    """Subject of every row, by `--subject` from the image's path or else from its column; none is a problem."""
    if config.subject is not None:
        return subjects_by_pattern(names, config.subject, problems)
    subjects = columns.texts(config.subject_column)
    _note_empty("subject", names, subjects, problems)
    return subjects


def declared_subjects(columns: Columns, config: CohortConfig, names: Sequence[str]) -> dict[str, str]:
    """Who the column of subjects says is on each image, where `--subject` was asked instead and the column is there."""
    if config.subject is None or config.subject_column not in columns.cells:
        return {}
    return dict(zip(names, columns.texts(config.subject_column), strict=True))


def table_labels(columns: Columns, config: CohortConfig, names: Sequence[str], problems: Problems) -> list[Settled]:
    """Labels of every row, or why its image is left out, from a column of names or from columns of 1, 0, -1, blank.

    A blank in a column of names is a problem unless the configuration says how a missing label is read.
    """
    if config.label_columns:
        flags = read_flags(columns, config.label_columns, problems)
        policy = Policy.of(config)
        return [settle(config.label_columns, row, policy) for row in flags]
    return named_labels(row_labels(columns.cells[config.label_column]), config, names, problems)


def named_labels(
    labels: Sequence[tuple[str, ...]], config: CohortConfig, names: Sequence[str], problems: Problems
) -> list[Settled]:
    """Rows of named labels under the policy for rows that have none: an error, left out, or without a label."""
    if config.missing == "one":
        problems.add(
            "--missing one says nothing about a column of names: there is no label that a blank could stand for",
            "write --missing ignore (leave the image out) or --missing zero (no label), or name 0/1 columns: "
            "--label-columns",
        )
    elif config.missing is None:
        how = (
            "fill them in (N/A, nan and the like are blanks too), or write --missing ignore (leave the image out) "
            "or --missing zero (no label)"
        )
        _note_empty("label", names, labels, problems, how)
    refusal: Settled = ((), Reason.LABEL_MISSING, "its label is left blank")
    blank = {"ignore": refusal, "predict": UNLABELLED}.get(config.missing or "", ((), "", ""))
    return [(row, "", "") if row else blank for row in labels]


def read_flags(columns: Columns, names: Sequence[str], problems: Problems) -> list[tuple[int | None, ...]]:
    """Rows of 1, 0, -1 and None (blank), one value per column of `names`; other cells are named as one problem."""
    bad: list[tuple[int, str, str]] = []
    read = []
    for name in names:
        values: list[int | None] = []
        for number, cell in zip(columns.rows, columns.cells[name], strict=True):
            text = cell if isinstance(cell, str) and cell in FLAGS else one_spelling(cell_text(cell)).lower()
            if text not in FLAGS and is_blank(text):
                text = ""
            if text not in FLAGS:
                bad.append((number, name, cell_text(cell)))
            values.append(FLAGS.get(text))
        read.append(values)
    if bad:
        shown = ", ".join(f"{text!r} in row {number}, column {name!r}" for number, name, text in sorted(bad)[:EXAMPLES])
        problems.add(
            f"{plural(len(bad), 'cell is', 'cells are')} not 1, 0, -1 or blank in {columns.where} ({shown})",
            "write 1 (present), 0 (absent), -1 (uncertain) or nothing into label columns",
        )
    return list(zip(*read, strict=True))


def table_splits(columns: Columns, column: str | None, problems: Problems) -> list[str | None]:
    """Split of every row as the table gives it; None without a split column."""
    if column is None:
        return [None] * len(columns)
    texts = columns.words(column)
    found = [SPLIT_NAMES.get(text.lower()) for text in texts]
    unknown = sorted({text for text, split in zip(texts, found, strict=True) if split is None})
    if unknown:
        row = columns.rows[found.index(None)]
        problems.add(
            f"The split column holds {unknown[:EXAMPLES]!r} (first in row {row})",
            "write train, val, aux or test in every row",
        )
    return found


def sort_rows(
    names: Sequence[str], subjects: Sequence[str], settled: Sequence[Settled], splits: Sequence[str | None]
) -> tuple[list[ListedImage], list[Refusal]]:
    """Records and refused images out of parallel rows: as many as there are rows."""
    records, refused = [], []
    for name, subject, (labels, reason, detail), split in zip(names, subjects, settled, splits, strict=True):
        if reason:
            refused.append((name, Reason(reason), detail))
        else:
            labelled = (labels, reason, detail) != UNLABELLED
            records.append(ListedImage(name, subject, labels, split, labelled))
    return records, refused


def row_labels(values: Sequence[Any]) -> list[tuple[str, ...]]:
    """Labels of every row of a column of names: `a|b`, `a;b`, lists of names, also written as text; `N/A` … are none.

    Where lists are written as text, their writer's `None` and `NA` are blanks as well.
    """
    lists = [written_list(value) if isinstance(value, str) else None for value in values]
    nothing = NOTHING if any(found is not None for found in lists) else frozenset[str]()
    return [_labels(value, found, nothing) for value, found in zip(values, lists, strict=True)]


def _labels(value: Any, written: list[str] | None, nothing: Container[str]) -> tuple[str, ...]:
    if written is not None:
        names: Sequence[Any] = written
    else:
        names = value if isinstance(value, list | tuple) else re.split(r"[|;]", cell_text(value))
    texts = (one_spelling(cell_text(name)) for name in names)
    return tuple(dict.fromkeys(text for text in texts if not is_blank(text) and text.lower() not in nothing))


def _note_empty(
    what: str, names: Sequence[str], values: Sequence[Any], problems: Problems, how: str = "fill them in"
) -> None:
    if empty := [name for name, value in zip(names, values, strict=True) if not value]:
        problems.add(
            f"{share(len(empty), len(names), 'rows', 'has', 'have')} no {what} (for example {empty[0]!r})",
            how,
        )
