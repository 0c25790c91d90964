"""What has to be unpacked before it can be read here and there: one nameless temporary file, read by all processes.

The file has no name in any folder: whatever ends the process, no picture of a person stays behind.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..core.errors import InputError
from ..core.files import free_space_for
from .folders import PIECE

MOST_TIMES, MOST_PLAIN = 2000, 2**30
"""Unpacked bytes for each packed one, beyond the first GiB: what holds pictures has far fewer."""
LEFT_FREE = 2**30
"""Bytes of the temporary folder's disk that stay free."""
GZIP, BZIP2, XZ, ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Unpacked:
    """A part of the nameless file: `length` bytes from `start`."""

    descriptor: int
    start: int
    length: int

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        return os.pread(self.descriptor, max(0, min(length, self.length - offset)), self.start + offset)

    def stream(self) -> IO[bytes]:
        """It as a file of its own, with its own position."""
        return io.BufferedReader(_Window(self))


class _Window(io.RawIOBase):
    """A part of a file with a position of its own: processes that fork share that of the file."""

    def __init__(self, part: Unpacked) -> None:
        self._part, self._at = part, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._part.length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._part.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _Spool:
    """The nameless file of this process, which only grows."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._file = tempfile.TemporaryFile(prefix="unpersonal-")  # noqa: SIM115  (as long as the process)
        self._end = 0
        self._lock = threading.Lock()

    def add(self, pieces: Iterable[bytes], packed: int, where: str) -> Unpacked:
        """The pieces one behind the other; too much of them is an `InputError`."""
        most = MOST_PLAIN + MOST_TIMES * packed
        with self._lock, free_space_for(Path(tempfile.gettempdir())):
            start = end = self._end
            for piece in pieces:
                if end - start + len(piece) > most:
                    raise InputError(
                        f"It unpacks to more than {most >> 20:,} MiB, which no images do",
                        where=where,
                        how="make it anew",
                    )
                if shutil.disk_usage(tempfile.gettempdir()).free < LEFT_FREE:
                    raise InputError(
                        f"There is no room to unpack it in {tempfile.gettempdir()}",
                        where=where,
                        how="unpack it yourself and name the folder, or set TMPDIR to a folder with more room",
                    )
                os.pwrite(self._file.fileno(), piece, end)
                end += len(piece)
            self._end = end
            return Unpacked(self._file.fileno(), start, end - start)


_spool: _Spool | None = None
_known: dict[tuple[str, int, int, str], Unpacked] = {}
"""What this process has unpacked, by path, size and time of change of the file, and the name within it."""


def unpack(pieces: Iterable[bytes], root: Path, name: str, packed: int) -> Unpacked:
    """The `pieces` of the file `name` (empty: all) of what lies at `root`, of which `packed` bytes are stored.

    What was unpacked before is found again. Whatever is wrong with the compression is an `InputError`.
    """
    global _spool  # noqa: PLW0603  (one file a process)
    if _spool is None or _spool.process != os.getpid():
        _spool = _Spool()
        _known.clear()
    status = os.stat(root)
    key = (os.path.realpath(root), status.st_size, status.st_mtime_ns, name)
    if key not in _known:
        where = f"{root}: {name}" if name else str(root)
        try:
            _known[key] = _spool.add(pieces, packed, where)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise InputError(
                f"It cannot be unpacked ({error})", where=where, how="copy it again, or make it anew"
            ) from None
    return _known[key]


def is_compressed(head: bytes) -> bool:
    """Whether the first bytes of a file are those of gzip, bzip2, xz or zstd."""
    return head.startswith((GZIP, BZIP2, XZ, ZSTD))


def decompressed(stream: IO[bytes], head: bytes) -> Iterator[bytes]:
    """The content of a compressed file in pieces, by its first bytes."""
    opened = _opened(stream, head)
    while piece := opened.read(PIECE):
        yield piece


def _opened(stream: IO[bytes], head: bytes) -> Any:
    if head.startswith(GZIP):
        return gzip.GzipFile(fileobj=stream)
    if head.startswith(BZIP2):
        return bz2.BZ2File(stream)
    if head.startswith(XZ):
        return lzma.LZMAFile(stream)
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(stream), "zstd")
