"""From configuration to a `Listing`: which layout it is, and where its images lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..core.errors import InputError
from .config import CohortConfig
from .labels import apply_scheme
from .layouts.chexpert import read_chexpert
from .layouts.columns import TABLE_SUFFIXES
from .layouts.dicom import read_dicom
from .layouts.filelist import read_filelist
from .layouts.folder import read_folder
from .layouts.huggingface import read_huggingface
from .layouts.kermany import read_kermany
from .layouts.mednist import read_mednist
from .layouts.mimic import read_mimic
from .layouts.nifti import read_nifti
from .layouts.nih import read_nih
from .layouts.table import read_table
from .listing import Listing, Problems
from .recognise import LIST_SUFFIXES, recognise
from .sources import Source, open_source
from .sources_huggingface import HuggingFaceSource, is_saved_dataset

Reader = Callable[[CohortConfig, Path, Source], Listing]
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
WITH_VIEWS = ("nih", "chexpert", "mimic")


def read_listing(config: CohortConfig, base: Path) -> Listing:
    """The images that the input declares, with subject, labels and split; every input error found is raised.

    Labels are those of the scheme that is asked for. With `official_splits` false a public data set has no given split.
    """
    path = input_path(config, base)
    layout = recognise(path) if config.layout == "auto" else config.layout
    _check_options(config, layout, path)
    listing = READERS[layout](config, path, image_source(config, base))
    if listing.official and not config.official_splits:
        records = tuple(replace(record, split=None) for record in listing.records)
        listing = replace(listing, records=records, official=False)
    return apply_scheme(listing, config.labels)


def input_path(config: CohortConfig, base: Path) -> Path:
    """The input on disk; a path that does not exist, or is a pipe or device, is an `InputError`."""
    path = base / Path(config.images).expanduser()
    if not path.exists():
        raise InputError("There is no such file or folder", where=str(path), how="correct the path of the images")
    if not path.is_dir() and not path.is_file():  # a pipe can be read once, and a study reads its input several times
        raise InputError("Neither a file nor a folder", where=str(path), how="write it to a file, and name that")
    return path


def image_source(config: CohortConfig, base: Path) -> Source:
    """Where the images of a configured cohort lie; image paths in `cohort.parquet` are relative to it."""
    path = input_path(config, base)
    if config.root is not None:
        return open_source(base / Path(config.root).expanduser())
    if config.layout in ("auto", "huggingface") and is_saved_dataset(path):
        return HuggingFaceSource(path, config.image_column)
    listed = config.layout in ("table", "filelist") or path.name.lower().endswith(TABLE_SUFFIXES + LIST_SUFFIXES)
    return open_source(path.parent if listed and path.is_file() else path)


def _check_options(config: CohortConfig, layout: str, path: Path) -> None:
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
            f"leave views at 'all'; it is read by {', '.join(WITH_VIEWS)}",
        )
    problems.raise_any()
