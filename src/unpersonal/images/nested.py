"""Archives within a folder, a zip or a tar, each read as if it were a folder of its own name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import InputError
from .folders import IMAGE_SUFFIXES, MAX_ENTRIES, FolderArchive, ImageArchive, is_hidden
from .formats import DICOM_SUFFIXES, NIFTI_SUFFIXES
from .picture import ImageError
from .reasons import Reason
from .tars import TAR_SUFFIXES, TarArchive
from .unpacked import unpack
from .zips import ZipArchive

ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)
PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, *DICOM_SUFFIXES, *NIFTI_SUFFIXES)


def archives_within(archive: ImageArchive) -> list[str]:
    """The archives among the files of another one, if no picture lies beside them; else none.

    Beside pictures they may hold the same once more: whoever unpacks a zip often leaves it there.
    """
    found = []
    for name in archive.each():
        if is_hidden(name):
            continue
        if name.lower().endswith(PICTURE_SUFFIXES):
            return []
        if name.lower().endswith(ARCHIVE_SUFFIXES):
            found.append(name)
    return sorted(found)


class NestedArchive(ImageArchive):
    """The files of `outer`, with those of the archives in it, `batch.zip/a/x.png`, in place of these.

    An archive in an archive in an archive stays a file. A damaged archive is an `InputError`.
    """

    def __init__(self, outer: ImageArchive) -> None:
        self.root, self.outer = outer.root, outer
        within = archives_within(outer)
        self._inner = {name: _opened(outer, name) for name in within}
        self._names = sorted(
            [name for name in outer.names() if name not in self._inner]
            + [f"{name}/{file}" for name, inner in self._inner.items() for file in inner.names()]
        )
        self.skipped = outer.skipped
        if len(self._names) > MAX_ENTRIES:
            raise InputError(f"The archives have {len(self._names)} entries", where=str(self.root), how="split them")

    def __getstate__(self) -> dict[str, ImageArchive]:
        return {"outer": self.outer}

    def __setstate__(self, state: dict[str, ImageArchive]) -> None:
        NestedArchive.__init__(self, state["outer"])

    @property
    def within(self) -> list[str]:
        """Names of the archives that were opened."""
        return list(self._inner)

    def names(self) -> list[str]:
        return list(self._names)

    def open_bytes(self, name: str) -> bytes:
        archive, file = self._place(name)
        return archive.open_bytes(file)

    def pieces(self, name: str) -> Iterator[bytes]:
        archive, file = self._place(name)
        return archive.pieces(file)

    def _place(self, name: str) -> tuple[ImageArchive, str]:
        end = name.find("/")
        while end >= 0:
            if inner := self._inner.get(name[:end]):
                return inner, name[end + 1 :]
            end = name.find("/", end + 1)
        if name in self._inner:
            raise ImageError(Reason.UNREADABLE, "an archive, of which the files are read")
        return self.outer, name


def _opened(outer: ImageArchive, name: str) -> ImageArchive:
    where = f"{outer.root}: {name}"
    kind = TarArchive if name.lower().endswith(TAR_SUFFIXES) else ZipArchive
    try:
        if isinstance(outer, FolderArchive):
            return _on_disk(kind, outer.path_of(name), where)
        inner = unpack(outer.pieces(name), outer.root, name, outer.root.stat().st_size)
    except ImageError as error:
        raise InputError(
            f"An archive in it cannot be read ({error.detail})", where=where, how="unpack it and name the folder"
        ) from None
    return kind(outer.root, inner, where)


def _on_disk(kind: type[ZipArchive] | type[TarArchive], path: Path, where: str) -> ImageArchive:
    if not path.is_file():
        raise InputError("An archive in it is no file", where=where, how="move it away")
    if kind is ZipArchive and not zipfile.is_zipfile(path):
        raise InputError("Not a readable zip archive", where=where, how="copy it again, make it anew or move it away")
    return kind(path)
