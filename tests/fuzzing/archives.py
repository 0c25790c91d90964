"""Zip archives written by hand, so that every field of theirs can be wrong."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import cache
from random import Random

from .damage import damage
from .names import odd_name

STORED, DEFLATED = 0, 8
METHODS = (STORED, DEFLATED, 9, 12, 14, 93, 99)
UTF8, ENCRYPTED, DESCRIPTOR = 0x800, 0x1, 0x8
BOMB_MEBIBYTES = 257


def packed(files: Mapping[str, bytes], rng: Random | None = None) -> bytes:
    """A zip archive of the files; with `rng` one that a reader has to refuse in part or whole, or damaged bytes."""
    names = list(files)
    if rng is not None and rng.random() < 0.3:
        names.insert(rng.randrange(len(names) + 1), odd_name(rng, rng.choice(names)))
    body, central, offsets = [_prefix(rng)], [], []
    position = len(body[0])
    for name in names:
        data = files.get(name, b"an image")
        entry = _Entry(name, data, rng if rng is not None and rng.random() < 0.08 else None)
        offsets.append(position)
        local = entry.local()
        body.append(local)
        shown = offsets[rng.randrange(len(offsets))] if rng is not None and rng.random() < 0.01 else position
        central.append(entry.central(shown))
        position += len(local)
    directory = b"".join(central)
    comment = b"a comment" if rng is not None and rng.random() < 0.1 else b""
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(names), len(names), len(directory), position, len(comment))
    data = b"".join(body) + directory + end + comment
    return damage(data, "zip", rng) if rng is not None and rng.random() < 0.5 else data


class _Entry:
    """One file: its headers and its data."""

    def __init__(self, name: str, data: bytes, rng: Random | None) -> None:
        self.name = name.encode("utf-8", "surrogatepass")
        if rng is not None and rng.random() < 0.3:
            self.name = name.encode("latin-1", "replace")
        self.flags, self.method = UTF8, DEFLATED
        self.crc, self.size, self.extra = zlib.crc32(data), len(data), b""
        self.body = _deflate(data)
        if rng is not None:
            self._spoil(data, rng)
        self.packed = len(self.body)

    def _spoil(self, data: bytes, rng: Random) -> None:
        choice = rng.choices(range(9), (12, 12, 12, 12, 12, 1, 12, 12, 12))[0]  # a bomb takes seconds
        if choice == 0:
            self.flags ^= rng.choice((ENCRYPTED, DESCRIPTOR, UTF8, 0x40, 0x2000))
        elif choice == 1:
            self.method = rng.choice(METHODS)
        elif choice == 2:
            self.crc ^= 1 << rng.randrange(32)
        elif choice == 3:
            self.size = rng.choice((0, 1, self.size + 1, 2**28, 2**28 + 1, 2**31, 2**32 - 1))
        elif choice == 4:
            self.body = self.body[: rng.randrange(len(self.body) + 1)]
        elif choice == 5:
            self.body = bomb()
            self.size = rng.choice((self.size, BOMB_MEBIBYTES * 2**20, 2**28))
        elif choice == 6:
            self.extra = struct.pack("<HHQQ", 1, 16, *(rng.choice((0, 2**32, 2**63, 2**64 - 1)) for _ in range(2)))
            self.size = 2**32 - 1
        elif choice == 7:
            self.method, self.body = STORED, data
        else:
            self.name = rng.choice(
                (self.name + b"/", self.name.upper(), b"\xff\xfe" + self.name, self.name + b"\0x", b"")
            )

    def local(self) -> bytes:
        """Local header and data."""
        sizes = (self.crc, self.packed, min(self.size, 2**32 - 1), len(self.name), 0)
        return struct.pack("<4s5H3I2H", b"PK\3\4", 20, self.flags, self.method, 0, 33, *sizes) + self.name + self.body

    def central(self, offset: int) -> bytes:
        """Entry of the directory."""
        sizes = (self.crc, self.packed, min(self.size, 2**32 - 1), len(self.name), len(self.extra))
        head = struct.pack("<4s6H3I2H", b"PK\1\2", 20, 20, self.flags, self.method, 0, 33, *sizes)
        return head + struct.pack("<3H2I", 0, 0, 0, 0, offset) + self.name + self.extra


def _prefix(rng: Random | None) -> bytes:
    return b"#!/bin/sh\n" * 3 if rng is not None and rng.random() < 0.05 else b""


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@cache
def bomb() -> bytes:
    """Zeros that unpack to more than a file may have: one flushed block again and again, since packing takes long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * BOMB_MEBIBYTES + packer.flush()
