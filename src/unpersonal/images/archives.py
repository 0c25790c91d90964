"""Archives of images: a folder, or a zip read in place. Names are relative, with `/`; nothing else is reachable."""

from __future__ import annotations

import os
import re
import stat
import threading
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import InputError
from ..core.files import safe_join
from .file_kinds import refuse_single, refuse_workbook
from .picture import ImageError
from .reasons import Reason

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".tif", ".tiff", ".bmp", ".webp")
MAX_FILE_BYTES = 256 * 2**20  # uncompressed size of one file; a 16-bit 4k × 4k radiograph has 32 MiB
MAX_ENTRIES = 5_000_000
_ENCRYPTED = 0x1
CIRCLE = "links that lead round in a circle"


def is_hidden(name: str) -> bool:
    """Whether a relative path is hidden or archive litter."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def is_image_name(name: str) -> bool:
    """Whether a relative path names an image: by suffix, hidden files and archive litter excluded."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_hidden(name)


def reaches_outside(name: str) -> bool:
    """Whether a relative path is absolute, climbs, or means something else on another system."""
    pure = PurePosixPath(name)
    odd = "\\" in name or "\x00" in name or re.match(r"[A-Za-z]:", name)
    return bool(pure.is_absolute() or ".." in pure.parts or not pure.parts or odd)


class ImageArchive(ABC):
    """Files under one root. Safe to use from several threads and processes; can be pickled to a worker."""

    root: Path

    @abstractmethod
    def names(self) -> list[str]:
        """Every file's relative path, sorted."""

    @abstractmethod
    def open_bytes(self, name: str) -> bytes:
        """The content of one file; `ImageError` with reason missing, outside, empty, too-large or unreadable."""

    def image_names(self) -> list[str]:
        """The relative paths of the images, sorted."""
        return [name for name in self.names() if is_image_name(name)]


class FolderArchive(ImageArchive):
    """A folder with its subfolders. Links to files that lead out of it are refused when they are opened.

    Links to folders are not followed (they may lead out, or round in a circle); `skipped` names them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: tuple[str, ...] = ()

    def names(self) -> list[str]:
        found: list[str] = []
        skipped: list[str] = []
        for folder, folders, files in os.walk(self.root, onerror=_cannot_list):
            relative = Path(folder).relative_to(self.root).as_posix()
            prefix = "" if relative == "." else relative + "/"
            skipped += [prefix + name for name in folders if os.path.islink(os.path.join(folder, name))]
            found += [prefix + name for name in files]
        self.skipped = tuple(sorted(skipped))
        return sorted(found)

    def open_bytes(self, name: str) -> bytes:
        try:
            path = safe_join(self.root, name)
            if not path.is_file():  # never opened: a pipe would make the reader wait for ever
                raise _no_file(path)
            with open(path, "rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except InputError:
            raise ImageError(Reason.OUTSIDE, "a link, or the name itself, leads out of the folder") from None
        except RuntimeError:  # pathlib's word for it before Python 3.13
            raise ImageError(Reason.UNREADABLE, CIRCLE) from None
        except OSError as error:
            raise ImageError(Reason.UNREADABLE, f"{type(error).__name__}: {error.strerror}") from None
        except ValueError as error:  # a NUL byte in the name
            raise ImageError(Reason.UNREADABLE, str(error)) from None
        return _checked_length(data)


def _no_file(path: Path) -> ImageError:
    """Why a resolved path is no file that could be read."""
    if path.is_symlink():  # even resolved
        return ImageError(Reason.UNREADABLE, CIRCLE)
    if path.exists():
        return ImageError(Reason.UNREADABLE, "a folder, pipe or device, not a file")
    return ImageError(Reason.MISSING, "there is no such file")


def _cannot_list(error: OSError) -> None:
    """A folder whose names cannot be read must not be lost without a word."""
    raise InputError(
        f"A folder cannot be read ({error.strerror})", where=str(error.filename), how="allow reading, or move it away"
    ) from None


class ZipArchive(ImageArchive):
    """A zip archive, read in place; traversal names, absolute names and doubled names are refused on opening."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._local = threading.local()
        with self._open() as zipped:
            self._entries = _checked_entries(zipped, root)
        refuse_workbook(self._entries, str(root))

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "_entries": self._entries}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.root)
        except Exception as error:  # besides BadZipFile, hostile archives raise ValueError, struct.error, OverflowError
            raise InputError(
                f"Not a readable zip archive ({error})", where=str(self.root), how="make it anew"
            ) from None

    def _zipped(self) -> zipfile.ZipFile:
        # a handle is never shared: after a fork, parent and child would move one file position
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.zipped, self._local.pid = self._open(), os.getpid()
        return self._local.zipped

    def names(self) -> list[str]:
        return sorted(self._entries)

    def open_bytes(self, name: str) -> bytes:
        entry = self._entries.get(name)
        if entry is None:
            raise ImageError(Reason.MISSING, "there is no such file")
        if stat.S_ISLNK(entry.external_attr >> 16):  # as Unix zips keep them: the content is the path of the target
            raise ImageError(Reason.OUTSIDE, "a link in a zip, which is not followed")
        if entry.flag_bits & _ENCRYPTED:
            raise ImageError(Reason.UNREADABLE, "the entry is encrypted")
        if entry.file_size > MAX_FILE_BYTES:
            raise ImageError(Reason.TOO_LARGE, f"{entry.file_size} bytes uncompressed")
        try:
            with self._zipped().open(entry) as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except Exception as error:  # zipfile lets zlib.error, EOFError, struct.error and others through
            raise ImageError(Reason.UNREADABLE, f"damaged in the archive ({type(error).__name__})") from None
        return _checked_length(data)


def open_archive(path: Path) -> ImageArchive:
    """A folder or a zip archive as an `ImageArchive`; anything else is an `InputError`."""
    if path.is_dir():
        return FolderArchive(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return ZipArchive(path)
    if not path.exists():
        raise InputError("There is no such file or folder", where=str(path), how="correct the path of the images")
    if path.name.lower().endswith(".zip"):
        what = "Not a readable zip archive: it is damaged or not whole"
        raise InputError(what, where=str(path), how="copy it again, or make it anew")
    if not path.is_file():
        raise InputError("Neither a folder nor a file", where=str(path), how="name the folder of the images")
    refuse_single(path)


def _checked_length(data: bytes) -> bytes:
    if not data:
        raise ImageError(Reason.EMPTY, "the file has no content")
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(Reason.TOO_LARGE, f"more than {MAX_FILE_BYTES} bytes")
    return data


def _checked_entries(zipped: zipfile.ZipFile, root: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by name; names that reach outside or occur twice are an `InputError`."""
    entries: dict[str, zipfile.ZipInfo] = {}
    infos = zipped.infolist()
    if len(infos) > MAX_ENTRIES:
        raise InputError(f"The archive has {len(infos)} entries", where=str(root), how="split it")
    for info in infos:
        name = info.filename
        # orig_filename still has what zipfile cuts off at a NUL byte
        if reaches_outside(name) or "\x00" in info.orig_filename:
            raise InputError(
                f"The archive holds a name that reaches outside it or has a NUL: {info.orig_filename!r}",
                where=str(root),
                how="make the archive anew",
            )
        if info.is_dir():
            continue
        # ./a.png and b//a.png would be other spellings of a file that is there already
        plain = PurePosixPath(name).as_posix()
        if plain in entries:
            raise InputError(f"The archive holds {plain!r} twice", where=str(root), how="make the archive anew")
        entries[plain] = info
    return entries
