"""From configuration to a `Listing`: which layout it is, and where its images lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.errors import InputError
from .config import CohortConfig
from .layouts.filelist import read_filelist
from .layouts.folder import read_folder
from .layouts.kermany import KERMANY, read_kermany
from .layouts.table import read_table
from .listing import Listing
from .sources import Source, open_source

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
LIST_SUFFIXES = (".txt", ".lst", ".list")
Reader = Callable[[CohortConfig, Path, Source], Listing]
READERS: dict[str, Reader] = {
    "folder": read_folder,
    "kermany": read_kermany,
    "table": read_table,
    "filelist": read_filelist,
}


def read_listing(config: CohortConfig, base: Path) -> Listing:
    """The images that the input declares, with subject, labels and split; every input error found is raised."""
    path = input_path(config, base)
    layout = recognise(path) if config.layout == "auto" else config.layout
    if layout in ("table", "filelist") and path.is_dir():
        raise InputError(
            f"The layout {layout} needs a file, and this is a folder", where=str(path), how="name the file"
        )
    source = image_source(config, base)
    return READERS[layout](config, path, source)


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
