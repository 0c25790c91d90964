"""Bytes of a zip archive that belong to none of its files: nobody who unpacks it sees them, and they may say something.

Layout: PKWARE APPNOTE 6.3.10, sections 4.3.6 to 4.3.16 and 4.5.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import InputError

LOCAL, CENTRAL, END, ZIP64_END = 30, 46, 22, 76
"""Bytes of a local header, of one in the central directory, of the end of that, and of both zip64 records of it."""
DESCRIPTOR, ZIP64 = b"PK\x07\x08", b"PK\x06\x06"
DESCRIBED, UTF8 = 0x8, 0x800
"""Flags of an entry: its checksum and sizes stand behind it; its name is in UTF-8."""
USUAL = {0x0001: 28, 0x000A: 32, 0x5455: 13, 0x5855: 12, 0x7855: 4, 0x7875: 19, 0xCAFE: 0}
"""Extra fields that hold sizes, times and owners, or say that a JAR begins, by number: bytes of them at most."""
NAMED = 0x7075
"""The one that repeats the name, in Unicode."""
PIECE = 4096


def slack_bytes(path: Path) -> int:
    """How many bytes of the zip at `path` are neither of a file, nor of what an archive needs to name and to find it.

    Counted are bytes before, between and behind entries, behind the end of a compressed stream, in an entry that is a
    folder, and extra fields that hold no sizes, times or owners. The archive must be one that `ZipArchive` opens, with
    methods of compression that are read; where entries overlap, what they share counts. Comments are not counted.
    Slack inside a stream, such as empty blocks of Deflate, cannot be told. An archive whose headers contradict one
    another is an `InputError`.
    """
    try:
        return _counted(path)
    except (struct.error, ValueError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise InputError(
            f"The headers of the zip contradict one another ({error})", where=str(path), how="make the archive anew"
        ) from None


def _counted(path: Path) -> int:
    with zipfile.ZipFile(path) as zipped, open(path, "rb") as stream:
        entries = sorted(zipped.infolist(), key=lambda entry: entry.header_offset)
        start = _directory(zipped)
        nexts = [*(entry.header_offset for entry in entries[1:]), start]
        found = entries[0].header_offset if entries else start
        for entry, following in zip(entries, nexts, strict=True):
            data, odd = _local(stream, entry)
            found += odd + _unread(stream, data, entry)
            found += abs(following - _end(stream, data, entry, following))
        length = stream.seek(0, 2)
        known, odd = _listed(stream, start, len(entries))
        rest = length - known - END - len(zipped.comment)
        if (
            stream.read(len(ZIP64)) == ZIP64
        ):  # archives of over 65,535 files, or of over 4 GiB, end with two more records
            rest -= ZIP64_END
    return found + odd + abs(rest)


def _directory(zipped: zipfile.ZipFile) -> int:
    """Where the central directory begins."""
    return int(zipped.start_dir)  # type: ignore[attr-defined]  # without an underscore since Python 2


def _local(stream: BinaryIO, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Where the data of an entry begin, and bytes of unusual extra fields before them."""
    stream.seek(entry.header_offset + LOCAL - 4)
    name, extra = struct.unpack("<HH", stream.read(4))
    spelt = stream.read(name).decode("utf-8" if entry.flag_bits & UTF8 else "cp437", "replace")
    # of files zipfile compares both, of folders nobody does
    odd = 0 if spelt == entry.orig_filename else name
    return entry.header_offset + LOCAL + name + extra, odd + _odd_fields(stream.read(extra), name)


def _odd_fields(extra: bytes, name: int) -> int:
    """Bytes of extra fields that are not `USUAL`, come twice, or are too long, of a name of so many bytes."""
    found, at, left = 0, 0, {**USUAL, NAMED: name + 5}
    while at + 4 <= len(extra):
        number, size = struct.unpack_from("<HH", extra, at)
        # a number that nobody knows says something itself
        found += 4 + size if size > left.pop(number, -1) else 0
        at += 4 + size
    return found + max(len(extra) - at, 0)


def _unread(stream: BinaryIO, data: int, entry: zipfile.ZipInfo) -> int:
    """Bytes of an entry's data that are not its file's: behind the end of the stream, or of a folder."""
    if entry.is_dir():
        # an empty stream has two bytes in Deflate
        return entry.file_size or (entry.compress_size if entry.compress_size > 2 else 0)
    if entry.compress_type == zipfile.ZIP_STORED:
        return abs(entry.compress_size - entry.file_size)
    made, left, engine = 0, entry.compress_size, _decompressor(entry.compress_type)
    stream.seek(data)
    while left and not engine.eof:
        piece = stream.read(min(PIECE, left))
        if not piece:
            break
        left -= len(piece)
        made += len(engine.decompress(piece))
        if made > entry.file_size:
            return left + made - entry.file_size
    if entry.compress_type == zipfile.ZIP_LZMA and engine.eof:
        return left + _behind_lzma(stream, data, entry.compress_size - left)
    return left + len(getattr(engine, "unused_data", b""))


def _behind_lzma(stream: BinaryIO, data: int, count: int) -> int:
    """How many of the `count` bytes at `data` lie behind the end of their stream: zipfile's engine does not say."""
    engine, known = _decompressor(zipfile.ZIP_LZMA), max(count - PIECE, 0)
    stream.seek(data)
    for start in range(0, known, PIECE):
        engine.decompress(stream.read(min(PIECE, known - start)))
    while not engine.eof:
        engine.decompress(stream.read(1))
    return data + count - stream.tell()


def _decompressor(method: int) -> Any:
    if method == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS)
    return bz2.BZ2Decompressor() if method == zipfile.ZIP_BZIP2 else zipfile.LZMADecompressor()  # type: ignore[attr-defined]


def _end(stream: BinaryIO, data: int, entry: zipfile.ZipInfo, following: int) -> int:
    """Where an entry ends: behind its data, or behind the checksum and the sizes that follow them."""
    end = data + entry.compress_size
    if not entry.flag_bits & DESCRIBED:
        return end
    stream.seek(end)
    head = stream.read(8)
    signed = 4 if head.startswith(DESCRIPTOR) else 0
    if head[signed : signed + 4] != struct.pack("<L", entry.CRC):
        return end
    # sizes take four bytes each, or eight in zip64, and nothing in the header says which for certain
    return end + signed + (20 if following == end + signed + 20 else 12)


def _listed(stream: BinaryIO, start: int, count: int) -> tuple[int, int]:
    """Where the central directory of `count` entries ends, and bytes of unusual extra fields in it."""
    odd = 0
    stream.seek(start)
    for _ in range(count):
        name, extra, comment = struct.unpack("<HHH", stream.read(CENTRAL)[28:34])
        stream.seek(name, 1)
        odd += _odd_fields(stream.read(extra), name)
        stream.seek(comment, 1)
    return stream.tell(), odd
