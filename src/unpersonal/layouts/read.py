"""From configuration to a `Listing`: which layout it is, and where its images lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from ..core.errors import InputError
from ..images.archives import ImageArchive, open_archive
from ..images.archives_huggingface import HuggingFaceArchive, is_saved_dataset
from .chexpert import read_chexpert
from .columns import TABLE_SUFFIXES
from .config import CohortConfig
from .dicom import read_dicom
from .filelist import read_filelist
from .folder import read_folder
from .huggingface import read_huggingface
from .kermany import read_kermany
from .labels import CHEST8, apply_scheme, doubts
from .listing import Listing, Problems
from .mednist import read_mednist
from .mimic import read_mimic
from .nifti import read_nifti
from .nih import read_nih
from .options import note_rivals, place
from .recognise import LIST_SUFFIXES, recognise
from .subjects import tidy_subjects
from .table import read_table

Reader = Callable[[CohortConfig, Path, ImageArchive], Listing]
READERS: dict[str, Reader] = {
    "folder": read_folder,
    "kermany": read_kermany,
    "table": read_table,
    "filelist": read_filelist,
    "nih": read_nih,
    "chexpert": read_chexpert,
    "mimic": read_mimic,
    "mednist": read_mednist,
    "dicom": read_dicom,
    "nifti": read_nifti,
    "huggingface": read_huggingface,
}
SPLITS_FROM = {
    "table": "name the column of the splits with --split-column",
    "huggingface": "give the splits by folders (train, validation, test) or, in metadata, by --split-column",
    "folder": "use --layout huggingface, which reads folders train, val and test",
}
"""How a layout may be given splits."""
WITH_VIEWS = ("nih", "chexpert", "mimic")
WITH_OFFICIAL_SPLITS = ("nih", "chexpert", "mimic", "kermany", "huggingface")


def read_listing(config: CohortConfig, base: Path, named: Collection[str] | None = None) -> Listing:
    """The images that the input declares, with subject, labels and split; every input error found is raised.

    Labels are those of the scheme that is asked for. With `official_splits` false a public data set has no given split.
    A subject has one spelling; where two look like one person, the first note says so. `named` as in
    `options.given_options`.
    """
    path = input_path(config, base)
    layout = recognise(path) if config.layout == "auto" else config.layout
    _check_options(config, layout, path, named)
    try:
        return _read(config, base, layout, path)
    except InputError as error:
        raise InputError(error.what, where=place(config, layout, error.where), how=error.how) from None


def _read(config: CohortConfig, base: Path, layout: str, path: Path) -> Listing:
    listing = READERS[layout](config, path, image_archive(config, base))
    if listing.official and not config.official_splits:
        records = tuple(replace(record, split=None) for record in listing.records)
        listing = replace(listing, records=records, official=False)
    if config.split_conflict is not None and listing.records and not any(r.split for r in listing.records):
        raise InputError(
            "The input gives no splits that --split-conflict could be about",
            where=str(path),
            how=f"leave it out, or {SPLITS_FROM.get(layout, 'use a layout that has splits')}",
        )
    chosen = apply_scheme(tidy_subjects(listing), config.labels)
    labels = sorted({label for record in chosen.records for label in record.labels})
    return replace(chosen, notes=(*chosen.notes, *(f"{what}: {how}." for what, how in doubts(labels))))


def input_path(config: CohortConfig, base: Path) -> Path:
    """The input on disk; a path that does not exist, or is a pipe or device, is an `InputError`."""
    path = base / Path(config.images).expanduser()
    if not path.exists():
        raise InputError("There is no such file or folder", where=str(path), how="correct the path of the images")
    if not path.is_dir() and not path.is_file():  # a pipe can be read once, and a study reads its input several times
        raise InputError("Neither a file nor a folder", where=str(path), how="write it to a file, and name that")
    return path


def image_archive(config: CohortConfig, base: Path) -> ImageArchive:
    """Where the images of a configured cohort lie; image paths in `cohort.parquet` are relative to it."""
    path = input_path(config, base)
    if config.root is None and config.layout in ("auto", "huggingface") and is_saved_dataset(path):
        return HuggingFaceArchive(path, config.image_column)
    return open_archive(_images_at(config, base, path))


def image_root(config: CohortConfig, base: Path) -> Path:
    """The folder that the images lie in, or the zip, absolute and without links: nothing is to be written there.

    For a table or list that is its own folder, or `root`. An input that does not exist is an `InputError`.
    """
    return Path(os.path.realpath(_images_at(config, base, input_path(config, base))))  # resolve() may raise


def _images_at(config: CohortConfig, base: Path, path: Path) -> Path:
    if config.root is not None:
        return base / Path(config.root).expanduser()
    listed = config.layout in ("table", "filelist") or path.name.lower().endswith(TABLE_SUFFIXES + LIST_SUFFIXES)
    return path.parent if listed and path.is_file() else path


def _check_options(config: CohortConfig, layout: str, path: Path, named: Collection[str] | None) -> None:
    """Options that the layout could only ignore are input errors."""
    problems = Problems(str(path))
    if layout in ("table", "filelist") and path.is_dir():
        problems.add(f"The layout {layout} needs a file, and this is a folder", "name the file")
    if config.subject == "dicom" and layout != "dicom":
        problems.add(
            f"The layout {layout} does not read the patient from DICOM headers",
            "use --layout dicom, or name the subject by a column or a pattern",
        )
    if config.label_from.startswith("dicom:") and layout != "dicom":
        problems.add(f"The layout {layout} does not read labels from DICOM headers", "use --layout dicom")
    if config.label_from.startswith("participants:") and layout != "nifti":
        problems.add(f"The layout {layout} does not read participants.tsv", "use --layout nifti")
    if config.views == "frontal" and layout not in WITH_VIEWS:
        problems.add(
            f"The layout {layout} does not know which images are frontal",
            f"leave out --views; it is read by {', '.join(WITH_VIEWS)}",
        )
    if config.label_from != "folder" and layout == "huggingface" and is_saved_dataset(path):
        problems.add(
            "The rows of a saved data set have no paths that --label-from could be searched in",
            "name the column of the labels with --label-column",
        )
    if not config.official_splits and layout not in WITH_OFFICIAL_SPLITS:
        problems.add(
            f"The layout {layout} has no official splits that could be left out",
            "leave out --no-official-splits; splits of a table are read only from --split-column",
        )
    # a list's classes name its columns; elsewhere they would hide findings from a scheme that wants exactly one
    if config.labels == "chest8" and config.classes and layout != "filelist" and tuple(config.classes) != CHEST8:
        problems.add(
            "--labels chest8 has classes of its own, and --classes names others",
            "leave one of them out; to have some of the classes only, take --classes without --labels",
        )
    note_rivals(config, problems, named)
    problems.raise_any()
