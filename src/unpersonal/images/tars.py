"""A tar archive, plain or compressed. Names as in a zip; a link is followed only to a file of the same archive."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..core.errors import InputError
from . import folders
from .folders import ImageArchive, checked_length, reaches_outside
from .picture import ImageError
from .reasons import Reason
from .unpacked import Unpacked, decompressed, is_compressed, unpack

BLOCK = 512
HEAD = 264
TAR_SUFFIXES = (
    ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz", ".tbz2", ".tar.zst", ".tzst",
)  # fmt: skip
Entry = tuple[int, int] | str
"""Where the content of a file begins and how long it is; a sentence for what is no file that could be read."""


class TarArchive(ImageArchive):
    """A tar archive. A plain one is read in place, a compressed one is unpacked once into a nameless temporary file.

    `inner` is the archive itself where it lies in another one, and `where` what it is called then. An archive that is
    cut off, or goes on behind its end, is an `InputError`: what follows would be lost without a word.
    """

    def __init__(self, root: Path, inner: Unpacked | None = None, where: str = "") -> None:
        self.root, self._where = root, where or str(root)
        self._given = inner
        self._part = _plain(root, inner, self._where)
        with self._stream() as stream:
            self._entries = _entries(stream, self._where)

    def __getstate__(self) -> dict[str, Any]:
        if self._given is not None:
            raise TypeError("an archive in an archive belongs to the process that unpacked it")
        return {"root": self.root}

    def __setstate__(self, state: dict[str, Any]) -> None:
        TarArchive.__init__(self, state["root"])

    def _stream(self) -> IO[bytes]:
        return open(self.root, "rb") if self._part is None else self._part.stream()

    def names(self) -> list[str]:
        return sorted(self._entries)

    def open_bytes(self, name: str) -> bytes:
        start, length = self._entry(name)
        if length > folders.MAX_FILE_BYTES:
            raise ImageError(Reason.TOO_LARGE, f"{length} bytes")
        return checked_length(b"".join(self._slices(start, length)))

    def pieces(self, name: str) -> Iterator[bytes]:
        return self._slices(*self._entry(name))

    def _entry(self, name: str) -> tuple[int, int]:
        entry = self._entries.get(name)
        if entry is None:
            raise ImageError(Reason.MISSING, "there is no such file")
        if isinstance(entry, str):
            raise ImageError(Reason.OUTSIDE, entry)
        return entry

    def _slices(self, start: int, length: int) -> Iterator[bytes]:
        try:
            with self._stream() as stream:
                stream.seek(start)
                while length and (piece := stream.read(min(length, folders.PIECE))):
                    yield piece
                    length -= len(piece)
        except OSError as error:
            raise ImageError(Reason.UNREADABLE, f"{type(error).__name__}: {error.strerror}") from None


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, by its first bytes or, where these are none of a zip, by its suffix."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(HEAD)
    except OSError:
        return False
    return head[257:262] == b"ustar" or (path.name.lower().endswith(TAR_SUFFIXES) and not head.startswith(b"PK"))


def _plain(root: Path, inner: Unpacked | None, where: str) -> Unpacked | None:
    """The tar without compression; None where the file `root` is that itself."""
    try:
        with open(root, "rb") if inner is None else inner.stream() as stream:
            head = stream.read(HEAD)
            if not is_compressed(head):
                return inner
            stream.seek(0)
            packed = inner.length if inner is not None else root.stat().st_size
            name = where.removeprefix(str(root)).removeprefix(": ")
            return unpack(decompressed(stream, head), root, f"{name}: plain" if name else "", packed)
    except OSError as error:
        raise InputError(
            f"The archive cannot be read ({error.strerror})", where=where, how="make it readable"
        ) from None


def _entries(stream: IO[bytes], where: str) -> dict[str, Entry]:
    """The files of an archive by name."""
    found: dict[str, Entry] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number >= folders.MAX_ENTRIES:
                    raise InputError(f"The archive has over {number} entries", where=where, how="split it")
                # the library keeps every header otherwise
                tar.members = []  # type: ignore[attr-defined]
                _take(member, found, links, where)
            _check_end(stream, tar.offset, where)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, UnicodeError) as error:
        raise InputError(
            f"Not a readable tar archive ({error})", where=where, how="copy it again, or make it anew"
        ) from None
    for name, target in links.items():
        there = found.get(PurePosixPath(target).as_posix())
        found[name] = there if there is not None and name != target else "a link in a tar that leads out of it"
    return found


def _take(member: tarfile.TarInfo, found: dict[str, Entry], links: dict[str, str], where: str) -> None:
    if member.isdir():
        return
    if reaches_outside(member.name):
        what = f"The archive holds a name that reaches outside it, or has a backslash or a NUL: {member.name!r}"
        how = "make it anew from inside the folder, without -P: tar -C FOLDER -cf NEW.tar ."
        raise InputError(what, where=where, how=how)
    name = PurePosixPath(member.name).as_posix()
    if name in found or name in links:
        raise InputError(f"The archive holds {name!r} twice", where=where, how="make the archive anew")
    if member.islnk():
        links[name] = member.linkname
    elif member.isreg() and not member.issparse():
        found[name] = (member.offset_data, member.size)
    else:
        found[name] = "a sparse file in a tar" if member.issparse() else "a link, pipe or device in a tar"


def _check_end(stream: IO[bytes], at: int, where: str) -> None:
    """`InputError` unless the archive ends, in zeros, where its last file does."""
    stream.seek(at)
    first = stream.read(BLOCK)
    if len(first) < BLOCK or first.strip(b"\0"):
        raise InputError(
            "The tar archive has no end: it is damaged or not whole", where=where, how="copy it again, or make it anew"
        )
    while piece := stream.read(folders.PIECE):
        if piece.strip(b"\0"):
            raise InputError(
                "The tar archive goes on behind its end: several may have been joined", where=where, how="make it anew"
            )
