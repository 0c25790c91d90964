"""What the input of a cohort is, by content: the stage is stale as soon as a byte of it changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from ..core.errors import InputError
from ..core.hashing import hash_json, sha256_file
from ..images.archives import FolderArchive, ImageArchive, NestedArchive, is_hidden, is_image_name
from ..images.formats import DICOM_SUFFIXES, NIFTI_SUFFIXES
from ..images.picture import ImageError, split_name
from ..images.reasons import Reason
from .config import CohortConfig
from .names import is_bare
from .read import configured_layout, image_archive, input_path, opener_of, read_listing
from .registry import AUTO, LAYOUTS

UNREAD = MISSING, OUTSIDE, UNREADABLE = Reason.MISSING.value, Reason.OUTSIDE.value, Reason.UNREADABLE.value
"""What stands in place of the hash of a file that cannot be read."""


def fingerprint(config: CohortConfig, *, base: Path) -> str:
    """Hex SHA-256 over the names and contents of the table, list, zip, saved data set or files that `config` names.

    A table or list counts together with the files that it names, whatever their suffix. A folder counts by its images,
    volumes and DICOM files, the tables that a layout reads there, and the files that these name. An input that
    is gone, or of which no image can be read (a disk that is not mounted), is an `InputError`.
    """
    path, archive = input_path(config, base), image_archive(config, base)
    contents = {"input": sha256_file(path) if path.is_file() else ""}
    if opener := opener_of(config, path):
        folder = FolderArchive(archive.root) if archive.root.is_dir() else None
        contents.update(_contents(folder, opener.files(archive.root)) if folder else {"images": contents["input"]})
    elif folder := _folder(archive):
        counts = _counter(config)
        around = () if path.is_file() else filter(counts, folder.names())
        within = archive.within if isinstance(archive, NestedArchive) else ()
        named = () if within else _named(config, base, path)
        contents.update(_contents(folder, sorted({*around, *within, *named})))
    else:
        contents["images"] = sha256_file(archive.root)
    images = [value for name, value in contents.items() if name != "input"]
    # a table that names no images has not been understood: the reader has the last word on it
    if all(value in UNREAD for value in images or [contents["input"] or MISSING]):
        raise InputError(
            "None of the images can be read",
            where=str(archive.root),
            how="mount the disk that they lie on, or correct the path of the images",
        )
    return hash_json(contents)


def _counter(config: CohortConfig) -> Callable[[str], bool]:
    """Whether a file in a folder of images can change what is read.

    Images can, and tables that one of our layouts reads there; other tables (a study's own, say) cannot. What a plug-in
    reads is not known: every file counts that is not hidden.
    """
    if config.layout != AUTO and not LAYOUTS.is_ours(config.layout):
        return lambda name: not is_hidden(name)
    tables = re.compile("|".join(layout.tables for layout in LAYOUTS if layout.tables))

    def counts(name: str) -> bool:
        own = PurePosixPath(name).name
        volume = own.lower().endswith(DICOM_SUFFIXES + NIFTI_SUFFIXES)
        read = is_image_name(name) or volume or is_bare(own) or tables.fullmatch(own) is not None
        return read and not is_hidden(name)

    return counts


def _named(config: CohortConfig, base: Path, path: Path) -> set[str]:
    """The files that a table or list names; none where it cannot be read, for then the reader has the last word."""
    try:
        layout = configured_layout(config, path)
        if LAYOUTS.is_ours(layout) and not LAYOUTS.get(layout).names_files:
            return set()
        listing = read_listing(config, base, named=())
    except InputError:
        return set()
    names = (*(record.image for record in listing.records), *(row[0] for row in listing.refused))
    return {split_name(name)[0] for name in names}


def _folder(archive: ImageArchive) -> FolderArchive | None:
    """The folder that the images lie in, or the archives that hold them; None for an archive of its own."""
    outer = archive.outer if isinstance(archive, NestedArchive) else archive
    return outer if isinstance(outer, FolderArchive) else None


def _contents(folder: FolderArchive, names: Iterable[str]) -> dict[str, str]:
    """Hash of each file, or why it cannot be read: what the reader would quarantine must not stop the run."""
    return {f"images/{name}": _content(folder, name) for name in names}


def _content(folder: FolderArchive, name: str) -> str:
    try:
        path = folder.path_of(name)
        return sha256_file(path) if path.is_file() else MISSING
    except ImageError as error:
        return OUTSIDE if error.reason == Reason.OUTSIDE else UNREADABLE
    except (OSError, RuntimeError, ValueError):
        return UNREADABLE
