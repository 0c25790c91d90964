"""NIH ChestX-ray14 (Wang et al., CVPR 2017) as it is published: `Data_Entry_2017*.csv` beside its folders of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ...core.errors import InputError
from ...core.words import plural
from ...images.archives import ImageArchive, is_image_name
from ..columns import archive_bytes, archive_columns, decode_text
from ..config import CohortConfig
from ..layout import Layout, SubjectRule
from ..listing import Listing, Problems, check_names, choose_classes, make_listing, subjects_by_pattern
from ..names import Lookup, no_official_splits, only_table, refuse_odd_names, tables_named, unlisted_note
from ..rows import named_labels, row_labels, sort_rows
from ..views import leave_out_lateral
from .table import LAYOUT as TABLE

NIH_TABLE = r"Data_Entry_2017.*\.csv(\.gz)?"
NIH_LISTS = {"train-val": "train_val_list.txt", "test": "test_list.txt"}
COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "View Position")


def read_nih(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Subject is `Patient ID`, labels are `Finding Labels`; the official lists give `train-val` and `test`.

    Images are found by name wherever they lie (`images/`, `images_001/images/` …). The latest of several editions of
    the table is read.
    """
    names = archive.names()
    tables = tables_named(names, NIH_TABLE)
    if not tables:
        raise InputError("There is no Data_Entry_2017*.csv here", where=str(path), how="name the data set's folder")
    table = max(tables, key=lambda name: PurePosixPath(name).name)
    columns = archive_columns(archive, table)
    problems = Problems(columns.where)
    for name in COLUMNS:
        columns.require(name, f"restore the table as it is published, or use --layout {TABLE.name}", problems)
    problems.raise_any()
    listed = check_names(columns.texts("Image Index"), problems)
    found = _locate(listed, names, path, PurePosixPath(table).parent, problems)
    own = columns.texts("Patient ID")
    subjects = own if config.subject is None else subjects_by_pattern(found, config.subject, problems)
    if config.subject is None and not all(own):
        problems.add(f"Row {columns.rows[own.index('')]} has no Patient ID", "restore the table")
    labels = row_labels(columns.cells["Finding Labels"])
    settled = named_labels(labels, config, found, problems)
    settled = leave_out_lateral(config, columns.texts("View Position"), settled)
    splits = _official(names, archive, listed, problems) if config.official_splits else [None] * len(listed)
    classes = choose_classes(labels, config.classes, problems)
    problems.raise_any()
    records, refused = sort_rows(found, subjects, settled, splits)
    ignored, notes = unlisted_note(names, records, refused, [table])
    lists = [name for name in names if PurePosixPath(name).name in NIH_LISTS.values()]
    if len(tables) > 1:
        notes += (f"The latest edition of {len(tables)} tables was read ({PurePosixPath(table).name}).",)
    if config.official_splits and not lists:
        notes += (no_official_splits(" and ".join(NIH_LISTS.values())),)
    return make_listing(
        archive,
        records,
        classes,
        ignored,
        tables=[*tables, *lists],
        refused=refused,
        official=any(split is not None for split in splits),
        notes=notes,
        declared={} if config.subject is None else dict(zip(found, own, strict=True)),
    )


def _locate(
    listed: Sequence[str], names: Sequence[str], path: Path, base: PurePosixPath, problems: Problems
) -> list[str]:
    """The file of every listed image by its name; else where it should lie, beside the table in `base`."""
    images = [name for name in names if is_image_name(name)]
    refuse_odd_names(images, path)
    lookup = Lookup(images, lambda name: [PurePosixPath(name).name])
    found = [lookup.find(name, (base / "images" / name).as_posix()) for name in listed]
    lookup.note_doubled(problems)
    return found


def _official(
    names: Sequence[str], archive: ImageArchive, listed: Sequence[str], problems: Problems
) -> list[str | None]:
    """The split of every listed image by the official lists; None throughout if neither is there."""
    files = {split: only_table(names, name.replace(".", r"\."), str(archive.root)) for split, name in NIH_LISTS.items()}
    if not any(files.values()):
        return [None] * len(listed)
    found: dict[str, str] = {}
    for split, file in files.items():
        if file is None:
            problems.add(f"{NIH_LISTS[split]} is not there, the other list is", "add it, or write --no-official-splits")
            continue
        text = decode_text(archive_bytes(archive, file), f"{archive.root}: {file}")
        members = {PurePosixPath(line.strip()).name for line in text.splitlines() if line.strip()}
        if both := sorted(members & found.keys()):
            problems.add(
                f"{plural(len(both), 'image is', 'images are')} in both official lists (for example {both[0]!r})",
                "correct the lists",
            )
        found.update(dict.fromkeys(members, split))
    return [found.get(PurePosixPath(name).name) for name in listed]


def _told_by(archive: ImageArchive, names: Sequence[str], where: str) -> str | None:
    return next(iter(tables_named(names, NIH_TABLE)), None)


LAYOUT = Layout(
    name="nih",
    title="NIH ChestX-ray14 (Wang et al., CVPR 2017): the folder with Data_Entry_2017*.csv",
    read=read_nih,
    told_by=_told_by,
    instead=TABLE.name,
    reads=("missing", "views"),
    official_splits=True,
    subjects=SubjectRule("Patient ID in the table", called="Patient ID"),
    tables=NIH_TABLE + r"|(train_val|test)_list\.txt",
    names_files=True,
)
