"""MIMIC-CXR-JPG (Johnson et al., 2019) as it is published: `mimic-cxr-2.*.csv[.gz]` beside `files/`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..core.errors import InputError
from ..core.words import plural
from ..images.archives import ImageArchive, is_image_name
from ..images.formats import DICOM_SUFFIXES
from .chexpert import chosen_observations, settle_columns
from .columns import Columns, archive_columns
from .config import CohortConfig
from .listing import Listing, Problems, check_names, make_listing, subjects_by_pattern
from .names import Lookup, is_hidden, no_official_splits, only_table, refuse_odd_names, unlisted_note
from .table import Settled, sort_rows, table_splits
from .views import leave_out_lateral

MIMIC_TABLE = r"mimic-cxr-2\.\d\.\d-{}\.csv(\.gz)?"
LABELLERS = ("chexpert", "negbio")
TABLES = (*LABELLERS, "split", "metadata")


def read_mimic(config: CohortConfig, path: Path, archive: ImageArchive) -> Listing:
    """Subject is `p<subject_id>`, labels are those of the image's study; train, validate, test are the official splits.

    Of the two labellers' tables that of CheXpert is read where both are there. `--classes` restricts the observations.
    A study that the labels lack is refused (`label-missing`). Images are found by their identifier.
    """
    names = archive.names()
    tables = {kind: only_table(names, MIMIC_TABLE.format(kind), str(path)) for kind in TABLES}
    labels_table = tables["chexpert"] or tables["negbio"]
    problems = Problems(str(path))
    if labels_table is None:
        problems.add("The labels are not there (mimic-cxr-2.*-chexpert.csv or -negbio.csv)", "add one of these tables")
    if tables["split"] is None and tables["metadata"] is None:
        problems.add("Nothing lists the images (mimic-cxr-2.*-split.csv or -metadata.csv)", "add one of these tables")
    if tables["metadata"] is None and config.views == "frontal":
        problems.add("Nothing says which images are frontal", "add mimic-cxr-2.*-metadata.csv, or leave out --views")
    observations = chosen_observations(config, problems)
    problems.raise_any()
    read = {kind: archive_columns(archive, name) for kind, name in tables.items() if name and kind not in LABELLERS}
    rows = _require(read["split" if "split" in read else "metadata"], ("dicom_id", "study_id", "subject_id"), problems)
    studies = _study_labels(archive_columns(archive, str(labels_table)), observations, config, problems)
    problems.raise_any()
    ids, study, person = (rows.texts(name) for name in ("dicom_id", "study_id", "subject_id"))
    unknown: Settled = ((), "label-missing", "its study has no labels")
    settled = [studies.get(key, unknown) for key in study]
    if config.views == "frontal":
        settled = leave_out_lateral(config, _views(read["metadata"], ids, problems), settled)
    listed = [f"files/p{p[:2]}/p{p}/s{s}/{i}.jpg" for i, s, p in zip(ids, study, person, strict=True)]
    found = _locate(names, path, check_names(listed, problems), str(tables["split"] or tables["metadata"]), problems)
    subjects = [f"p{p}" for p in person]
    declared = dict(zip(found, subjects, strict=True)) if config.subject is not None else {}
    if config.subject is not None:
        subjects = subjects_by_pattern(found, config.subject, problems)
    official = config.official_splits and "split" in read
    splits = _splits(rows, problems) if official else [None] * len(ids)
    problems.raise_any()
    records, refused = sort_rows(found, subjects, settled, splits)
    ignored, notes = unlisted_note(names, records, refused, [str(tables["split"] or tables["metadata"])])
    if config.official_splits and tables["split"] is None:
        notes += (no_official_splits("mimic-cxr-2.*-split.csv"),)
    if all(tables[kind] for kind in LABELLERS):
        notes += ("Both labellers' tables are there; that of CheXpert was read.",)
    return make_listing(
        "mimic",
        archive,
        records,
        observations,
        ignored,
        tables=[table for table in tables.values() if table],
        refused=refused,
        official=official,
        notes=notes,
        declared=declared,
    )


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
