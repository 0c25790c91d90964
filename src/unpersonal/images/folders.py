"""Archives of images: files under one root by relative names with `/`; and a folder as such an archive."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..core.errors import InputError
from ..core.files import safe_join
from .picture import ImageError
from .reasons import Reason

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".tif", ".tiff", ".bmp", ".webp")
MAX_FILE_BYTES = 256 * 2**20  # uncompressed size of one file; a 16-bit 4k × 4k radiograph has 32 MiB
MAX_ENTRIES = 5_000_000
PIECE = 2**20
CIRCLE = "links that lead round in a circle"
LEADS_OUT = "a link, or the name itself, leads out of the folder"
BACKSLASH = "a backslash in the name, which is a separator elsewhere: rename the file, or put it into that folder"
SNAPSHOTS, BLOBS = "snapshots", "blobs"
"""Folders of a cache of the Hugging Face Hub: what a snapshot holds are links into the blobs beside it."""


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
    skipped: tuple[str, ...] = ()
    """Links to folders that `names` did not follow."""

    @abstractmethod
    def names(self) -> list[str]:
        """Every file's relative path, sorted."""

    @abstractmethod
    def open_bytes(self, name: str) -> bytes:
        """The content of one file; `ImageError` with reason missing, outside, empty, too-large or unreadable."""

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of one file in pieces, however large it is; errors as of `open_bytes`."""
        yield self.open_bytes(name)

    def each(self) -> Iterator[str]:
        """Every file's relative path in no order, as it is found: for who may stop early."""
        yield from self.names()

    def image_names(self) -> list[str]:
        """The relative paths of the images, sorted."""
        return [name for name in self.names() if is_image_name(name)]


class FolderArchive(ImageArchive):
    """A folder with its subfolders. Links to files that lead out of it are refused when they are opened.

    Links to folders are not followed (they may lead out, or round in a circle); `skipped` names them. A snapshot in a
    cache of the Hugging Face Hub consists of links into the blobs of the same cache, which count as inside.
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

    def each(self) -> Iterator[str]:
        for folder, _, files in os.walk(self.root, onerror=_cannot_list):
            prefix = os.path.relpath(folder, self.root)
            yield from (name if prefix == "." else f"{Path(prefix).as_posix()}/{name}" for name in files)

    def path_of(self, name: str) -> Path:
        """Where a file lies, links followed; `ImageError` where that is outside."""
        try:
            return safe_join(self.root, name)
        except InputError:
            if blobs := _blobs(self.root):
                target = Path(os.path.realpath(self.root / name))
                if not reaches_outside(name) and target.is_relative_to(blobs):
                    return target
            raise ImageError(Reason.OUTSIDE, BACKSLASH if "\\" in name else LEADS_OUT) from None
        except RuntimeError:  # pathlib's word for it before Python 3.13
            raise ImageError(Reason.UNREADABLE, CIRCLE) from None
        except ValueError as error:  # a NUL byte in the name
            raise ImageError(Reason.UNREADABLE, str(error)) from None
        except OSError as error:
            raise _refused(error) from None

    def open_bytes(self, name: str) -> bytes:
        path = self.path_of(name)
        try:
            if not path.is_file():  # never opened: a pipe would make the reader wait for ever
                raise no_file(path)
            with open(path, "rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise _refused(error) from None
        return checked_length(data)

    def pieces(self, name: str) -> Iterator[bytes]:
        path = self.path_of(name)
        try:
            if not path.is_file():
                raise no_file(path)
            with open(path, "rb") as stream:
                yield from iter(lambda: stream.read(PIECE), b"")
        except OSError as error:
            raise _refused(error) from None


def is_hub_cache(path: Path) -> bool:
    """Whether a folder is one repository in a cache of the Hugging Face Hub, with all of its snapshots."""
    return (path / BLOBS).is_dir() and (path / SNAPSHOTS).is_dir()


def _blobs(root: Path) -> Path | None:
    """The folder that the links of a snapshot lead to; None where `root` is none and lies in none."""
    real = Path(os.path.realpath(root))
    above = (folder.parent for folder in real.parents if folder.name == SNAPSHOTS)
    return next((cache / BLOBS for cache in above if is_hub_cache(cache)), None)


def _refused(error: OSError) -> ImageError:
    return ImageError(Reason.UNREADABLE, f"{type(error).__name__}: {error.strerror}")


def no_file(path: Path) -> ImageError:
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


def checked_length(data: bytes) -> bytes:
    """`data`; `ImageError` where it is empty or more than a file may have."""
    if not data:
        raise ImageError(Reason.EMPTY, "the file has no content")
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(Reason.TOO_LARGE, f"more than {MAX_FILE_BYTES} bytes")
    return data
