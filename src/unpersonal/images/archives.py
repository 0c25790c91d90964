"""What images lie in: a folder, a zip, a tar, or such archives within one of these. Nothing else is reachable."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ..core.errors import InputError
from ..core.words import plural
from .file_kinds import is_other_archive, refuse_single
from .folders import (
    IMAGE_SUFFIXES,
    MAX_ENTRIES,
    MAX_FILE_BYTES,
    SNAPSHOTS,
    FolderArchive,
    ImageArchive,
    is_hidden,
    is_hub_cache,
    is_image_name,
    reaches_outside,
)
from .nested import NestedArchive, archives_within
from .picture import ImageError
from .tars import TarArchive, is_tar
from .zips import ZipArchive

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_ENTRIES",
    "MAX_FILE_BYTES",
    "FolderArchive",
    "ImageArchive",
    "ImageError",
    "NestedArchive",
    "TarArchive",
    "ZipArchive",
    "is_hidden",
    "is_image_name",
    "open_archive",
    "reaches_outside",
]


def open_archive(path: Path, *, within: bool = True) -> ImageArchive:
    """A folder, a zip or a tar as an `ImageArchive`; anything else is an `InputError`.

    Where no picture lies in it but archives do, what these hold is read as if it lay in a folder of the archive's name;
    without `within` they are files like others.
    """
    archive = _open_outer(path)
    return NestedArchive(archive) if within and archives_within(archive) else archive


def _open_outer(path: Path) -> ImageArchive:
    if path.is_dir():
        _refuse_cache(path)
        return FolderArchive(path)
    # a zip is known by its end, and may lie at the end of another archive
    if path.is_file() and is_tar(path):
        return TarArchive(path)
    if path.is_file() and zipfile.is_zipfile(path) and not is_other_archive(path):
        return ZipArchive(path)
    if not path.exists():
        raise InputError("There is no such file or folder", where=str(path), how="correct the path of the images")
    if path.name.lower().endswith(".zip"):
        what = "Not a readable zip archive: it is damaged or not whole"
        raise InputError(what, where=str(path), how="copy it again, or make it anew")
    if not path.is_file():
        raise InputError("Neither a folder nor a file", where=str(path), how="name the folder of the images")
    refuse_single(path)


def _refuse_cache(path: Path) -> None:
    """`InputError` for a repository in a cache of the Hub: every snapshot in it would be read at once."""
    if is_hub_cache(path):
        found = sorted(folder.name for folder in (path / SNAPSHOTS).iterdir() if folder.is_dir())
        raise InputError(
            f"This is a cache of the Hugging Face Hub with {plural(len(found), 'snapshot')}",
            where=str(path),
            how=f"name one of them, such as {path / SNAPSHOTS / (found[0] if found else '…')}",
        )
