"""CheXpert (Irvin et al., AAAI 2019) as it is published: `train.csv`, `valid.csv`, `test.csv` beside their folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...core.errors import InputError
from ...images.archives import ImageArchive, is_image_name
from ..columns import Columns, archive_columns, has_columns
from ..config import CohortConfig
from ..layout import Layout, SubjectRule
from ..listing import Listing, Problems, check_names, make_listing, subjects_by_pattern
from ..names import Lookup, only_table, refuse_odd_names, unlisted_note
from ..observations import chosen_observations, settle_columns
from ..rows import Settled, sort_rows
from ..views import leave_out_lateral
from .table import LAYOUT as TABLE

CHEXPERT_TABLES = {"train": r"train\.csv", "val": r"valid\.csv", "test": r"test(_labels)?\.csv"}
MARKS = ("Path", "Pleural Effusion", "Support Devices")  # columns by which its tables are told from others
VIEW_COLUMN = "Frontal/Lateral"
FOLDERS = {"train": "train", "val": "valid", "test": "test"}
SPLIT_WORD = re.compile(r"(?<![a-z])(train|val|test)(?:id|idate|idation|ing)?(?![a-z])")
NO_VALID = (
    "The official valid.csv is not there: its images are left out, and val is divided from train by subject; add the "
    "file, or write --no-official-splits if that is meant."
)
SUBJECT = re.compile(r"(?P<subject>patient\d+)")


@dataclass
class _ListedRows:
    """Parallel rows of the tables read so far."""

    listed: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)


def read_chexpert(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Subject is `patientNNNNN`, labels are the observations; train, valid and test are the official splits.

    `--classes` restricts the observations that are read. A file is found by split, patient, study and name, so the
    prefix of the paths (`CheXpert-v1.0-small/`) may be there or not, and the folder of a split may be named as in the
    full download (`CheXpert-v1.0 batch 2 (train 1)/`). Without a column for the view it is taken from the name.
    """
    names = archive.names()
    tables = chexpert_tables(archive, names, str(path))
    if not tables:
        raise InputError("There is no train.csv or valid.csv of CheXpert here", where=str(path), how="name its folder")
    problems = Problems(str(path))
    observations = chosen_observations(config, problems)
    problems.raise_any()
    rows = _ListedRows()
    for split, table in tables.items():
        _read_rows(archive_columns(archive, table), split, observations, config, rows, problems)
    problems.raise_any()
    base = PurePosixPath(next(iter(tables.values()))).parent
    found = _locate(rows, names, path, base, problems)
    subjects = subjects_by_pattern(found, config.subject or SUBJECT.pattern, problems)
    problems.raise_any()
    settled = leave_out_lateral(config, rows.views, rows.settled)
    splits = rows.splits if config.official_splits else [None] * len(found)
    records, refused = sort_rows(found, subjects, settled, splits)
    ignored, notes = unlisted_note(names, records, refused, list(tables.values()))
    if config.official_splits and "train" in tables and "val" not in tables:
        notes += (NO_VALID,)
    return make_listing(
        archive,
        records,
        observations,
        ignored,
        tables=list(tables.values()),
        refused=refused,
        official=config.official_splits,
        notes=notes,
    )


def _locate(rows: _ListedRows, names: Sequence[str], path: Path, base: PurePosixPath, problems: Problems) -> list[str]:
    """The file of every row among `names`; else where it should lie, below the folder `base` of the tables."""
    listed = check_names(rows.listed, problems)
    problems.raise_any()
    images = [name for name in names if is_image_name(name)]
    refuse_odd_names(images, path)
    lookup = Lookup(images, _keys)
    found = [
        lookup.find(name if _split_of(name) else f"{folder}/{name}", _below(base, name))
        for name, folder in zip(listed, rows.folders, strict=True)
    ]
    lookup.note_doubled(problems)
    return found


def chexpert_tables(archive: ImageArchive, names: Sequence[str], where: str) -> dict[str, str]:
    """The tables of CheXpert by split, known by name and header."""
    found = {}
    for split, pattern in CHEXPERT_TABLES.items():
        file = only_table([name for name in names if _is_table(archive, name, pattern)], pattern, where)
        if file is not None:
            found[split] = file
    return found


def _read_rows(
    columns: Columns,
    split: str,
    observations: Sequence[str],
    config: CohortConfig,
    rows: _ListedRows,
    problems: Problems,
) -> None:
    settled = settle_columns(columns, observations, config, problems)
    if len(settled) != len(columns):
        return
    paths = columns.texts("Path")
    named = [_view_of_name(name) for name in paths]
    rows.listed += paths
    rows.folders += [FOLDERS[split]] * len(columns)
    rows.views += columns.texts(VIEW_COLUMN) if VIEW_COLUMN in columns.cells else named
    rows.settled += settled
    rows.splits += [split] * len(columns)


def _is_table(archive: ImageArchive, name: str, pattern: str) -> bool:
    return bool(re.fullmatch(pattern, PurePosixPath(name).name)) and has_columns(archive, name, MARKS)


def _keys(name: str) -> list[str]:
    """The split, patient, study and name of a path; with every split in turn where no folder says which."""
    end = "/".join(PurePosixPath(name).parts[-3:])
    split = _split_of(name)
    return [f"{folder}/{end}" for folder in ([split] if split else FOLDERS.values())]


def _split_of(name: str) -> str | None:
    """The split that the folders above the patient are named after; the innermost of several."""
    for folder in reversed(PurePosixPath(name).parts[:-3]):
        if match := SPLIT_WORD.search(folder.lower()):
            return "valid" if match[1] == "val" else match[1]
    return None


def _view_of_name(name: str) -> str:
    match = re.search(r"_(frontal|lateral)\.\w+$", name)
    return match[1] if match else ""


def _below(base: PurePosixPath, listed: str) -> str:
    """Where a listed path would lie: under the table's folder, without the prefix CheXpert-v1.0[-small]."""
    parts = PurePosixPath(listed).parts
    if len(parts) > 1 and parts[0].startswith("CheXpert-v1.0"):
        parts = parts[1:]
    return (base / PurePosixPath(*parts)).as_posix()


def _told_by(archive: ImageArchive, names: Sequence[str], where: str) -> str | None:
    return next(iter(chexpert_tables(archive, names, where).values()), None)


LAYOUT = Layout(
    name="chexpert",
    title="CheXpert (Irvin et al., AAAI 2019): the folder with train.csv, valid.csv and test.csv",
    read=read_chexpert,
    told_by=_told_by,
    instead=TABLE.name,
    reads=("missing", "uncertain", "views"),
    official_splits=True,
    subjects=SubjectRule("patientNNNNN in the path", called="patientNNNNN", pattern=SUBJECT),
    tables="|".join(CHEXPERT_TABLES.values()),
    names_files=True,
)
