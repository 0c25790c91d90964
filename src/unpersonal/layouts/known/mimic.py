"""MIMIC-CXR-JPG (Johnson et al., 2019) as it is published: `mimic-cxr-2.*.csv[.gz]` beside `files/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from ...core.errors import InputError
from ...core.words import plural
from ...images.archives import ImageArchive, is_hidden, is_image_name
from ...images.formats import DICOM_SUFFIXES
from ...images.reasons import Reason
from ..columns import Columns, archive_columns
from ..config import CohortConfig
from ..layout import Layout, SubjectRule
from ..listing import Listing, Problems, check_names, make_listing, subjects_by_pattern
from ..names import Lookup, no_official_splits, only_table, refuse_odd_names, tables_named, unlisted_note
from ..observations import chosen_observations, settle_columns
from ..rows import Settled, sort_rows, table_splits
from ..views import leave_out_lateral
from .table import LAYOUT as TABLE

MIMIC_TABLE = r"mimic-cxr-2\.\d\.\d-{}\.csv(\.gz)?"
LABELLERS = ("chexpert", "negbio")
TABLES = (*LABELLERS, "split", "metadata")


def read_mimic(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Subject is `p<subject_id>`, labels are those of the image's study; train, validate, test are the official splits.

    Where the tables of both labellers are there, that of CheXpert is read. `--classes` restricts the observations. A
    study that the labels lack is refused (`label-missing`). Images are found by their identifier.
    """
    names = archive.names()
    problems = Problems(str(path))
    tables = _find_tables(config, names, path, problems)
    observations = chosen_observations(config, problems)
    problems.raise_any()
    read = {kind: archive_columns(archive, name) for kind, name in tables.items() if name and kind not in LABELLERS}
    rows = _require(read["split" if "split" in read else "metadata"], ("dicom_id", "study_id", "subject_id"), problems)
    labels_table = str(tables["chexpert"] or tables["negbio"])
    studies = _study_labels(archive_columns(archive, labels_table), observations, config, problems)
    problems.raise_any()
    ids, study, subject = (rows.texts(name) for name in ("dicom_id", "study_id", "subject_id"))
    unknown: Settled = ((), Reason.LABEL_MISSING, "its study has no labels")
    settled = [studies.get(key, unknown) for key in study]
    if config.views == "frontal":
        settled = leave_out_lateral(config, _views(read["metadata"], ids, problems), settled)
    listed = [f"files/p{p[:2]}/p{p}/s{s}/{i}.jpg" for i, s, p in zip(ids, study, subject, strict=True)]
    list_table = str(tables["split"] or tables["metadata"])
    found = _locate(names, path, check_names(listed, problems), list_table, problems)
    own = [f"p{p}" for p in subject]
    subjects = own if config.subject is None else subjects_by_pattern(found, config.subject, problems)
    official = config.official_splits and "split" in read
    splits = _splits(rows, problems) if official else [None] * len(ids)
    problems.raise_any()
    records, refused = sort_rows(found, subjects, settled, splits)
    ignored, notes = unlisted_note(names, records, refused, [list_table])
    return make_listing(
        archive,
        records,
        observations,
        ignored,
        tables=[table for table in tables.values() if table],
        refused=refused,
        official=official,
        notes=(*notes, *_notes(config, tables)),
        declared={} if config.subject is None else dict(zip(found, own, strict=True)),
    )


def _find_tables(config: CohortConfig, names: Sequence[str], path: Path, problems: Problems) -> dict[str, str | None]:
    """The file of each table, None for one that is not there; what cannot be missed is a problem."""
    tables = {kind: only_table(names, MIMIC_TABLE.format(kind), str(path)) for kind in TABLES}
    if not any(tables[kind] for kind in LABELLERS):
        problems.add("The labels are not there (mimic-cxr-2.*-chexpert.csv or -negbio.csv)", "add one of these tables")
    if tables["split"] is None and tables["metadata"] is None:
        problems.add("Nothing lists the images (mimic-cxr-2.*-split.csv or -metadata.csv)", "add one of these tables")
    if tables["metadata"] is None and config.views == "frontal":
        problems.add("Nothing says which images are frontal", "add mimic-cxr-2.*-metadata.csv, or leave out --views")
    return tables


def _notes(config: CohortConfig, tables: Mapping[str, str | None]) -> list[str]:
    notes = []
    if config.official_splits and tables["split"] is None:
        notes.append(no_official_splits("mimic-cxr-2.*-split.csv"))
    if all(tables[kind] for kind in LABELLERS):
        notes.append("Both labellers' tables are there; that of CheXpert was read.")
    return notes


def _require(columns: Columns, names: Sequence[str], problems: Problems) -> Columns:
    for name in names:
        columns.require(name, "restore the table as it is published", problems)
    problems.raise_any()
    return columns


def _study_labels(
    columns: Columns, observations: Sequence[str], config: CohortConfig, problems: Problems
) -> dict[str, Settled]:
    """Labels of every study; one that is listed twice is a problem."""
    _require(columns, ("study_id",), problems)
    settled = settle_columns(columns, observations, config, problems)
    problems.raise_any()
    studies = columns.texts("study_id")
    found = dict(zip(studies, settled, strict=True))
    if len(found) != len(studies):
        problems.add(
            f"{plural(len(studies) - len(found), 'study occurs', 'studies occur')} twice in {columns.where}",
            "restore the table",
        )
    return found


def _views(metadata: Columns, ids: Sequence[str], problems: Problems) -> list[str]:
    _require(metadata, ("dicom_id", "ViewPosition"), problems)
    views = dict(zip(metadata.texts("dicom_id"), metadata.texts("ViewPosition"), strict=True))
    return [views.get(key, "") for key in ids]


def _splits(rows: Columns, problems: Problems) -> list[str | None]:
    return table_splits(_require(rows, ("split",), problems), "split", problems)


def _locate(names: Sequence[str], path: Path, listed: Sequence[str], table: str, problems: Problems) -> list[str]:
    """Files of the listed images by identifier, `.jpg` or another format of image; else where the image should lie."""
    images = [
        name for name in names if is_image_name(name) or (name.lower().endswith(DICOM_SUFFIXES) and not is_hidden(name))
    ]
    refuse_odd_names(images, path)
    lookup = Lookup(images, lambda name: [PurePosixPath(name).stem])
    base = PurePosixPath(table).parent
    found = [lookup.find(name, (base / name).as_posix()) for name in listed]
    lookup.note_doubled(problems)
    if not listed:
        raise InputError("The table has no rows", where=str(path), how="restore the table as it is published")
    return found


def _told_by(archive: ImageArchive, names: Sequence[str], where: str) -> str | None:
    return next(iter(tables_named(names, MIMIC_TABLE.format(f"({'|'.join(TABLES)})"))), None)


LAYOUT = Layout(
    name="mimic",
    title="MIMIC-CXR-JPG (Johnson et al., 2019): the folder with mimic-cxr-2.*.csv and files/",
    read=read_mimic,
    told_by=_told_by,
    instead=TABLE.name,
    reads=("missing", "uncertain", "views"),
    official_splits=True,
    subjects=SubjectRule("subject_id in the table", called="subject_id"),
    tables=r"mimic-cxr-.*\.csv(\.gz)?",
    names_files=True,
)
