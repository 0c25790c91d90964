"""A zip archive, read in place."""

from __future__ import annotations

import os
import re
import stat
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import InputError
from . import folders
from .file_kinds import JOIN, refuse_workbook
from .folders import ImageArchive, checked_length, is_hidden, reaches_outside
from .picture import ImageError
from .reasons import Reason
from .unpacked import Unpacked

ENCRYPTED, PATCHED, STRONG = 0x1, 0x20, 0x40
"""Flags of an entry: encrypted, a patch for another file, encrypted in the strong way (APPNOTE 4.4.4)."""
READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
METHODS = {
    1: "Shrink", 2: "Reduce", 3: "Reduce", 4: "Reduce", 5: "Reduce", 6: "Implode", 9: "Deflate64", 10: "PKWARE Implode",
    16: "IBM z/OS CMPSC", 18: "IBM TERSE", 19: "IBM LZ77", 20: "Zstandard", 93: "Zstandard", 94: "MP3", 95: "XZ",
    96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES encryption",
}  # fmt: skip
"""Methods of compression that are not read, by their numbers (PKWARE APPNOTE 6.3.10, 4.4.5)."""
UNPACK = "unpack it (7-Zip can) and name the folder"
AES = 99
COMMIT = re.compile(rb"[0-9a-f]{40}([0-9a-f]{24})?")


class ZipArchive(ImageArchive):
    """A zip archive, read in place; traversal names, absolute names and doubled names are refused on opening.

    `inner` is the archive itself where it lies in another one, and `where` what it is called then. Names in which all
    separators are backslashes, as some programs of Windows write them, are read as paths. An archive of which no file
    can be read, because of its encryption or its method of compression, is an `InputError`.
    """

    def __init__(self, root: Path, inner: Unpacked | None = None, where: str = "") -> None:
        self.root, self._inner, self._where = root, inner, where or str(root)
        self._local = threading.local()
        with self._open() as zipped:
            self._entries = _checked_entries(zipped, self._where)
            self._folders, self._comments = _folders(zipped), _comments(zipped)
        refuse_workbook(self._entries, self._where)
        _refuse_unreadable(self._entries, self._where)

    def __getstate__(self) -> dict[str, Any]:
        if self._inner is not None:
            raise TypeError("an archive in an archive belongs to the process that unpacked it")
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.root if self._inner is None else self._inner.stream())
        except Exception as error:  # besides BadZipFile, hostile archives raise ValueError, struct.error, OverflowError
            how = JOIN if self._inner is None and _has_parts(self.root) else "make it anew"
            raise InputError(f"Not a readable zip archive ({error})", where=self._where, how=how) from None

    def _zipped(self) -> zipfile.ZipFile:
        # a handle is never shared: after a fork, parent and child would move one file position
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.zipped, self._local.pid = self._open(), os.getpid()
        zipped: zipfile.ZipFile = self._local.zipped
        return zipped

    def names(self) -> list[str]:
        return sorted(self._entries)

    def folders(self) -> list[str]:
        """The names of folders that have an entry of their own, as those have in which nothing lies."""
        return list(self._folders)

    def comments(self) -> list[bytes]:
        """What stands in the archive beside its files: its comment, and those of its entries; the empty ones left out.

        The hex name of a commit, which Git writes there, says nothing of anybody and is left out as well.
        """
        return list(self._comments)

    def open_bytes(self, name: str) -> bytes:
        entry = self._entry(name)
        if entry.file_size > folders.MAX_FILE_BYTES:
            raise ImageError(Reason.TOO_LARGE, f"{entry.file_size} bytes uncompressed")
        try:
            with self._zipped().open(entry) as stream:
                data = stream.read(folders.MAX_FILE_BYTES + 1)
        except Exception as error:  # zipfile lets zlib.error, EOFError, struct.error and others through
            raise _damaged(error) from None
        return checked_length(data)

    def pieces(self, name: str) -> Iterator[bytes]:
        entry = self._entry(name)
        try:
            with self._zipped().open(entry) as stream:
                yield from iter(lambda: stream.read(folders.PIECE), b"")
        except Exception as error:
            raise _damaged(error) from None

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = self._entries.get(name)
        if entry is None:
            raise ImageError(Reason.MISSING, "there is no such file")
        if stat.S_ISLNK(entry.external_attr >> 16):  # as Unix zips keep them: the content is the path of the target
            raise ImageError(Reason.OUTSIDE, "a link in a zip, which is not followed")
        if why := _why_unreadable(entry):
            raise ImageError(Reason.UNREADABLE, f"{why}: {UNPACK}")
        return entry


def _has_parts(path: Path) -> bool:
    """Whether parts of the same archive lie beside it."""
    return any((path.with_suffix(suffix)).exists() for suffix in (".z01", ".Z01"))


def _damaged(error: Exception) -> ImageError:
    what = "stored in a way that is not read" if isinstance(error, NotImplementedError) else "damaged in the archive"
    return ImageError(Reason.UNREADABLE, f"{what} ({str(error) or 'it ends too early'})")


def _why_unreadable(entry: zipfile.ZipInfo) -> str:
    """Why the entry cannot be read whatever it holds, empty if it can."""
    if entry.flag_bits & (ENCRYPTED | STRONG) or entry.compress_type == AES:
        return "the entry is encrypted"
    if entry.flag_bits & PATCHED:
        return "a patch for another file, which is not read"
    if entry.compress_type in READ_METHODS:
        return ""
    method = METHODS.get(entry.compress_type, "an unknown method")
    return f"compressed with {method} (method {entry.compress_type}), which is not read"


def _refuse_unreadable(entries: Mapping[str, zipfile.ZipInfo], where: str) -> None:
    """`InputError` where there are files and every one of them is encrypted, or compressed by a method not read."""
    seen = [entry for name, entry in entries.items() if not is_hidden(name) and entry.file_size]
    whys = {_why_unreadable(entry) for entry in seen}
    if not seen or "" in whys:
        return
    if whys == {"the entry is encrypted"}:
        what, how = "The zip is encrypted", "unpack it with its password and name the folder"
    else:
        what = f"No file of the zip can be read: {'; '.join(sorted(whys))}"
        how = f"{UNPACK}, or make the zip anew with the method Deflate"
    raise InputError(what, where=where, how=how)


def _checked_entries(zipped: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by name; names that reach outside or occur twice are an `InputError`."""
    entries: dict[str, zipfile.ZipInfo] = {}
    infos = zipped.infolist()
    if len(infos) > folders.MAX_ENTRIES:
        raise InputError(f"The archive has {len(infos)} entries", where=where, how="split it")
    back = _backslashes_separate(infos, where)
    for info in infos:
        name = info.filename.replace("\\", "/") if back else info.filename
        # orig_filename still has what zipfile cuts off at a NUL byte
        if reaches_outside(name) or "\x00" in info.orig_filename:
            raise InputError(
                f"The archive holds a name that reaches outside it or has a NUL: {info.orig_filename!r}",
                where=where,
                how="make the archive anew",
            )
        if info.is_dir() or name.endswith("/"):
            continue
        # ./a.png and b//a.png would be other spellings of a file that is there already
        plain = PurePosixPath(name).as_posix()
        if plain in entries:
            raise InputError(f"The archive holds {plain!r} twice", where=where, how="make the archive anew")
        entries[plain] = info
    return entries


def _folders(zipped: zipfile.ZipFile) -> list[str]:
    """Folders that are entries, of an archive whose names were checked."""
    names = (info.filename.replace("\\", "/") for info in zipped.infolist())
    return sorted({PurePosixPath(name).as_posix() for name in names if name.endswith("/")} - {"."})


def _comments(zipped: zipfile.ZipFile) -> list[bytes]:
    every = (zipped.comment, *(info.comment for info in zipped.infolist()))
    return [each for each in every if each and not COMMIT.fullmatch(each)]


def _backslashes_separate(infos: list[zipfile.ZipInfo], where: str) -> bool:
    """Whether the backslashes in names are separators: they are where no name has the other one.

    Both kinds in one archive are an `InputError`, save where a name climbs: that is told as what it is.
    """
    names = [info.filename for info in infos]
    odd = next((name for name in names if "\\" in name), None)
    if odd is None:
        return False
    if not any("/" in name for name in names):
        return True
    if any(reaches_outside(name.replace("\\", "/")) for name in names):
        return True  # refused there
    raise InputError(
        f"Names in the zip have backslashes beside slashes (e.g. {odd!r}), so that nobody knows which separate folders",
        where=where,
        how="unpack it where it was made, and make the zip anew with 7-Zip or the like",
    )
