"""WebDataset: tar shards in which the files of one stem are one sample, such as `0001.png`, `0001.cls`, `0001.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.errors import InputError
from ...core.words import plural
from ...images.archives import ImageArchive, NestedArchive, TarArchive, is_hidden, is_image_name
from ...images.tars import TAR_SUFFIXES
from ..columns import Columns, archive_bytes, cell_text, decode_text
from ..config import CohortConfig
from ..layout import Layout
from ..listing import Listing, Problems, choose_classes, labels_by_pattern, make_listing
from ..names import no_images, refuse_odd_names
from ..rows import Settled, declared_subjects, named_labels, row_labels, sort_rows, table_labels, table_subjects
from .folder import LAYOUT as FOLDER

CLASS, RECORD, TEXT = ".cls", ".json", ".txt"
SIDECARS = (CLASS, RECORD, TEXT)
LONGEST_LABEL = 100
"""Characters of a text that may be a label; a longer one is a caption."""
NO_SUBJECT = (
    "give --subject-column (a key of the .json files), --subject with a pattern that finds the person in the path, or "
    "--subject file if no person is on two images"
)


def read_webdataset(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Tar shards in which the files of one stem are one sample.

    Labels: the key `--label-column` of `.json`, else `.cls`, else a short `.txt`, or what `--label-from` finds in the
    path. Subject: the key `--subject-column` of `.json`, or `--subject`.
    """
    problems = Problems(str(path))
    samples = _samples(archive, path)
    names = [sample.image for sample in samples]
    columns = _columns(archive, samples)
    if config.subject is None and config.subject_column not in columns.cells:
        problems.add(f"Nothing says which images show the same person (no key {config.subject_column!r})", NO_SUBJECT)
    settled = _labels(columns, config, names, problems)
    problems.raise_any()
    subjects = table_subjects(columns, config, names, problems)
    classes = choose_classes([row[0] for row in settled], config.classes or config.label_columns, problems)
    problems.raise_any()
    records, refused = sort_rows(names, subjects, settled, [None] * len(names))
    used = {name for sample in samples for name in (sample.image, *sample.files.values())}
    tables = [name for sample in samples for name in sample.files.values()]
    ignored = [name for name in archive.names() if name not in used]
    return make_listing(
        archive,
        records,
        classes,
        [*ignored, *tables],
        tables=tables,
        refused=refused,
        declared=declared_subjects(columns, config, names),
    )


@dataclass(frozen=True)
class Sample:
    """One sample: its image, and the files beside it by suffix."""

    image: str
    files: Mapping[str, str]


def stem_of(name: str) -> str:
    """What the files of a sample have in common: the path up to the first dot of its last part."""
    path = PurePosixPath(name)
    return (path.parent / path.name.split(".")[0]).as_posix()


def _samples(archive: ImageArchive, path: Path) -> list[Sample]:
    names = [name for name in archive.names() if not is_hidden(name)]
    beside: dict[str, dict[str, str]] = {}
    images: dict[str, list[str]] = {}
    for name in names:
        stem = stem_of(name)
        if is_image_name(name):
            images.setdefault(stem, []).append(name)
        elif (suffix := PurePosixPath(name).suffix.lower()) in SIDECARS and name.lower() == f"{stem}{suffix}".lower():
            beside.setdefault(stem, {})[suffix] = name
    if not images:
        raise no_images(archive, names, path)
    refuse_odd_names([name for found in images.values() for name in found], path)
    if several := [found for found in images.values() if len(found) > 1]:
        raise InputError(
            f"{plural(len(several), 'sample has', 'samples have')} several images "
            f"(e.g. {' and '.join(several[0][:2])})",
            where=str(path),
            how=f"leave one image in each sample, or read all of them with --layout {FOLDER.name}",
        )
    return [Sample(found[0], beside.get(stem, {})) for stem, found in images.items()]


def _columns(archive: ImageArchive, samples: Sequence[Sample]) -> Columns:
    """The cells of all samples: the keys of `.json`, and `.cls` and `.txt` under their own names."""
    rows = [_cells(archive, sample.files) for sample in samples]
    keys = dict.fromkeys(key for row in rows for key in row)
    cells: dict[str, list[Any]] = {key: [row.get(key) for row in rows] for key in keys}
    return Columns(str(archive.root), cells, list(range(1, len(rows) + 1)))


def _cells(archive: ImageArchive, files: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for suffix, name in files.items():
        where = f"{archive.root}: {name}"
        text = decode_text(archive_bytes(archive, name), where, "file")
        if suffix != RECORD:
            found[suffix] = text.strip()
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"A file is no JSON ({error})", where=where, how="correct it") from None
        if isinstance(record, dict):
            found |= record
    return found


def _labels(columns: Columns, config: CohortConfig, names: Sequence[str], problems: Problems) -> list[Settled]:
    if config.label_from != "folder":
        return [(row, "", "") for row in labels_by_pattern(names, config.label_from, problems)]
    if config.label_columns:
        for name in config.label_columns:
            columns.require(name, "name the right key of the .json files with --label-columns", problems)
        return [] if problems else table_labels(columns, config, names, problems)
    source = next((name for name in (config.label_column, CLASS, TEXT) if name in columns.cells), None)
    values = columns.cells[source] if source is not None else []
    if source is None or (source == TEXT and any(len(cell_text(value)) > LONGEST_LABEL for value in values)):
        key = config.label_column
        what = f"Nothing says what is on the images: no key {key!r} in .json, no .cls, no short .txt"
        problems.add(what, "name the key with --label-column, or give --label-from a pattern with (?P<label>…)")
        return []
    return named_labels(row_labels(values), config, names, problems)


def _told_by(archive: ImageArchive, names: Sequence[str], where: str) -> str | None:
    """A file beside an image of its stem, in tar shards: elsewhere such files are nobody's labels."""
    tars = isinstance(archive, TarArchive) or (
        isinstance(archive, NestedArchive) and any(name.lower().endswith(TAR_SUFFIXES) for name in archive.within)
    )
    if not tars:
        return None
    stems = {stem_of(name) for name in names if is_image_name(name)}
    beside = (name for name in names if name.lower().endswith(SIDECARS) and stem_of(name) in stems)
    return next(beside, None)


LAYOUT = Layout(
    name="webdataset",
    title="tar shards of WebDataset: the files of one stem are one sample (.png, .cls, .json, .txt)",
    read=read_webdataset,
    told_by=_told_by,
    reads=("label_from", "subject_column", "label_column", "label_columns", "missing", "uncertain"),
)
