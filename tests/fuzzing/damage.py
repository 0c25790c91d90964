"""Damage to the bytes of a file: anywhere, or in the fields of its format; check sums that would hide it are mended.

Everything is drawn from a `random.Random`, so that a case can be made again from its number.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Literal

from .rasters import PNG_MARK, png_chunk

Field = tuple[int, int, Literal["little", "big"]]
"""Offset, width in bytes and byte order."""

NUMBERS = (
    0,
    1,
    2,
    -1,
    -2,
    7,
    8,
    9,
    127,
    128,
    255,
    256,
    2**15 - 1,
    2**15,
    2**16 - 1,
    2**16,
    2**31 - 1,
    2**31,
    2**32 - 1,
)
MOST_EDITS = 6


def damage(data: bytes, kind: str, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """`data` with one to a few edits; `kind` names the format whose fields are preferred, `others` lend pieces."""
    if kind.endswith(".gz") and data[:2] == b"\x1f\x8b" and rng.random() < 0.7:
        # otherwise nearly everything would end at the check sum
        inner = damage(gzip.decompress(data), kind.removesuffix(".gz"), rng, [])
        return gzip.compress(inner, compresslevel=1, mtime=0)
    if kind in INSIDE and rng.random() < 0.3:
        return INSIDE[kind](data, rng)
    edited = bytearray(data)
    fields = fields_of(kind, data)
    edits = min(MOST_EDITS, 1 + int(rng.expovariate(0.9)))
    for _ in range(edits):
        if fields and rng.random() < 0.55:
            _set_field(edited, rng.choice(fields), rng)
        else:
            edited = bytearray(_edit(edited, rng, others))
    if kind == "png" and rng.random() < 0.85:
        return with_check_sums(bytes(edited))
    return bytes(edited)


@lru_cache(maxsize=4096)
def fields_of(kind: str, data: bytes) -> tuple[Field, ...]:
    """Where the format of `kind` keeps numbers in a valid file; nothing for an unknown kind."""
    find = FIELDS.get(kind)
    return tuple(field for field in find(data) if 0 <= field[0] <= len(data) - field[1]) if find else ()


def with_check_sums(data: bytes) -> bytes:
    """A PNG whose chunks, as far as they can be walked, have the right CRC."""
    out, position = [data[:8]], 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if position + 12 + length > len(data):
            break
        body = data[position + 4 : position + 8 + length]
        out.append(data[position : position + 4] + body + struct.pack(">I", zlib.crc32(body)))
        position += 12 + length
    return b"".join(out) + data[position:]


def _edit(data: bytearray, rng: Random, others: Sequence[bytes]) -> bytes:
    if not data:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40)))
    # headers are short, and stand in front
    place = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 300))
    size = min(len(data) - place, 1 + int(rng.expovariate(0.1)))
    after = place + size
    choice = rng.choices(range(8), (20, 15, 12, 12, 8, 12, 12, 4))[0]
    if choice == 0:
        data[place] ^= 1 << rng.randrange(8)
        return bytes(data)
    if choice == 1:
        data[place] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        return bytes(data)
    if choice == 2:
        return bytes(data[:place] + data[after:])
    if choice == 3:
        filling = rng.choice((b"\0", b"\xff", bytes([rng.randrange(256)])))
        return bytes(data[:place]) + filling * size + bytes(data[place:])
    if choice == 4:
        return bytes(data[:after] + data[place:])
    if choice == 5:
        return bytes(data[: rng.randrange(len(data) + 1)])
    if choice == 6 and others:
        other = rng.choice(others)
        start = rng.randrange(len(other) + 1)
        return bytes(data[:place]) + other[start : start + rng.choice((size, len(other)))] + bytes(data[after:])
    filling = bytes(rng.randrange(256) for _ in range(size))
    return bytes(data[:place]) + filling + bytes(data[after:])


def _set_field(data: bytearray, field: Field, rng: Random) -> None:
    offset, width, order = field
    if offset + width > len(data):
        return
    now = int.from_bytes(data[offset : offset + width], order)
    value = rng.choice((*NUMBERS, now + 1, now - 1, 2 * now, now // 2, len(data), rng.getrandbits(8 * width)))
    data[offset : offset + width] = (value % 2 ** (8 * width)).to_bytes(width, order)


def _inside_png(data: bytes, rng: Random) -> bytes:
    """Damage to the scan lines, which are packed anew, or to the header's fields alone."""
    chunks = list(_png_chunks(data))
    packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
    try:
        lines = zlib.decompress(packed)
    except zlib.error:
        return data
    if rng.random() < 0.5:
        lines = _edit(bytearray(lines), rng, [])
    out = [PNG_MARK]
    for kind, body in chunks:
        if kind == b"IHDR" and len(body) == 13:
            header = bytearray(body)
            for _ in range(rng.randrange(3)):
                choice = rng.choice((0, 4, 8, 9, 10, 11, 12))
                small = (0, 1, 2, 3, 4, 6, 8, 16, 255)
                if choice < 8:
                    header[choice : choice + 4] = struct.pack(
                        ">I", rng.choice((0, 1, 7, 8, 23, 25, 39, 41, 2**16, 2**31))
                    )
                else:
                    header[choice] = rng.choice(small)
            body = bytes(header)
        out.append(png_chunk(kind, zlib.compress(lines, 1) if kind == b"IDAT" else body))
    return b"".join(out)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        yield kind, body
        position += 12 + length


def _png(data: bytes) -> Iterator[Field]:
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        yield position, 4, "big"
        if data[position + 4 : position + 8] == b"IHDR":
            yield from ((position + 8 + 4 * i, 4, "big") for i in range(2))
            yield from ((position + 16 + i, 1, "big") for i in range(5))
        position += 12 + length


def _jpeg(data: bytes) -> Iterator[Field]:
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        yield position + 1, 1, "big"
        yield position + 2, 2, "big"
        if 0xC0 <= marker <= 0xCF or marker in (0xDA, 0xDB, 0xDD):
            yield from ((position + 4 + i, 1, "big") for i in range(min(length - 2, 24)))
        if marker in (0xC0, 0xC1, 0xC2):
            yield position + 5, 2, "big"
            yield position + 7, 2, "big"
        position += 2 + length
        if marker == 0xDA:
            break


def _tiff(data: bytes) -> Iterator[Field]:
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    if int.from_bytes(data[2:4], order) != 42:
        yield from ((place, 4, order) for place in range(4, min(len(data), 300), 4))
        return
    yield 4, 4, order
    start = int.from_bytes(data[4:8], order)
    count = int.from_bytes(data[start : start + 2], order)
    yield start, 2, order
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        yield from ((entry, 2, order), (entry + 2, 2, order), (entry + 4, 4, order), (entry + 8, 4, order))
        yield entry + 8, 2, order
    yield start + 2 + 12 * count, 4, order


def _bmp(data: bytes) -> Iterator[Field]:
    for offset, width in (
        (2, 4),
        (10, 4),
        (14, 4),
        (18, 4),
        (22, 4),
        (26, 2),
        (28, 2),
        (30, 4),
        (34, 4),
        (46, 4),
        (50, 4),
    ):
        yield offset, width, "little"


def _webp(data: bytes) -> Iterator[Field]:
    yield 4, 4, "little"
    position = 12
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        yield position + 4, 4, "little"
        yield from ((position + 8 + i, 1, "little") for i in range(min(length, 16)))
        position += 8 + length + length % 2


def _dicom(data: bytes) -> Iterator[Field]:
    """Elements in explicit VR little endian, as the group 2 always is; else every second byte of the beginning."""
    position, long = 132, {b"OB", b"OW", b"OF", b"OD", b"SQ", b"UT", b"UN", b"UC"}
    while position + 8 <= len(data):
        vr = data[position + 4 : position + 6]
        if not vr.isalpha():
            yield from ((place, 2, "little") for place in range(position, min(len(data), position + 400), 2))
            return
        wide = vr in long
        yield position, 2, "little"
        yield position + 2, 2, "little"
        yield position + 4, 2, "little"
        yield (position + 8, 4, "little") if wide else (position + 6, 2, "little")
        start = position + (12 if wide else 8)
        length = int.from_bytes(data[start - 4 : start] if wide else data[start - 2 : start], "little")
        if vr in (b"US", b"SS", b"UL", b"IS", b"DS"):
            yield start, min(4, length), "little"
        if length == 2**32 - 1:
            yield from ((place, 4, "little") for place in range(start, min(len(data), start + 64), 2))
            return
        position = start + length


def _nifti(data: bytes) -> Iterator[Field]:
    big = int.from_bytes(data[:4], "big") in (348, 540)
    order: Literal["little", "big"] = "big" if big else "little"
    if int.from_bytes(data[:4], order) == 540:
        yield from ((place, 8, order) for place in range(8, 200, 8))
        yield from ((place, 2, order) for place in (0, 12, 14))
        return
    yield 0, 4, order
    yield from ((place, 2, order) for place in range(40, 76, 2))  # dimensions, type, bits
    yield from ((place, 4, order) for place in (*range(76, 120, 4), *range(256, 328, 4)))  # spacing, offset, affine
    yield from ((place, 2, order) for place in (252, 254, 344, 346))


def _zip(data: bytes) -> Iterator[Field]:
    layouts = {
        b"PK\x03\x04": ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
        b"PK\x01\x02": (
            (6, 2),
            (8, 2),
            (10, 2),
            (16, 4),
            (20, 4),
            (24, 4),
            (28, 2),
            (30, 2),
            (32, 2),
            (38, 4),
            (42, 4),
        ),
        b"PK\x05\x06": ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
    }
    for mark, places in layouts.items():
        start = data.find(mark)
        while start >= 0:
            yield from ((start + offset, width, "little") for offset, width in places)
            start = data.find(mark, start + 4)


def _parquet(data: bytes) -> Iterator[Field]:
    yield len(data) - 8, 4, "little"
    footer = min(int.from_bytes(data[-8:-4], "little"), len(data) - 8)
    yield from ((place, 1, "little") for place in range(len(data) - 8 - footer, len(data) - 8))


def _arrow(data: bytes) -> Iterator[Field]:
    start = 0
    while (start := data.find(b"\xff\xff\xff\xff", start)) >= 0:
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        yield start, 4, "little"
        yield start + 4, 4, "little"
        yield from ((place, 4, "little") for place in range(start + 8, start + 8 + min(length, 2000), 4))
        start += 8


def _npy(data: bytes) -> Iterator[Field]:
    yield from ((place, 1, "little") for place in range(6, 128))
    yield 8, 4, "little"


# elements that decide how pixels are read, and those that say who is on them: VR and values, odd ones among them
DICOM_VALUES = {
    0x00020010: ("UI", (b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.4.50", b"1.2.3", b"")),
    0x00080005: ("CS", (b"ISO_IR 100", b"ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"nonsense", b"\xff\xfe", b"GB18030")),
    0x00100020: ("LO", (b"", b" ", b"\xe4\xf6\xfc", b"a\\b", b"../../x", b"x" * 3000, b"\x1b$B\x0e", b"a\nb\0")),
    0x00100021: ("LO", (b"A", b"a", b"", b"\xff", b"A\\B")),
    0x00180015: ("CS", (b"", b"SKULL", b"\xff\xff", b"A\\B")),
    0x00280002: ("US", (0, 1, 2, 3, 4, 255, 65535)),
    0x00280004: ("CS", (b"MONOCHROME1", b"RGB", b"YBR_FULL", b"YBR_FULL_422", b"YBR_ICT", b"YBR_RCT", b"PALETTE COLOR",
                        b"ARGB", b"", b"rgb", b"MONOCHROME2\\RGB")),
    0x00280006: ("US", (0, 1, 2, 65535)),
    0x00280008: ("IS", (b"0", b"-1", b"2", b"3", b"1000000", b"2147483648", b"x", b"1e3", b"2\\3", b"")),
    0x00280010: ("US", (0, 1, 7, 8, 9, 16, 64, 8192, 65535)),
    0x00280011: ("US", (0, 1, 7, 8, 9, 20, 64, 8192, 65535)),
    0x00280100: ("US", (0, 1, 7, 8, 12, 16, 24, 32, 64, 65535)),
    0x00280101: ("US", (0, 1, 2, 8, 10, 12, 16, 17, 32, 65535)),
    0x00280102: ("US", (0, 1, 7, 11, 15, 31, 65535)),
    0x00280103: ("US", (0, 1, 2, 65535)),
    0x00280120: ("US", (0, 1, 255, 65535)),
    0x00280121: ("US", (0, 1, 255, 65535)),
    0x00281050: ("DS", (b"0", b"1e308", b"-1e308", b"NaN", b"inf", b"40\\50", b"", b"x", b"1" * 400, b"-0.0")),
    0x00281051: ("DS", (b"0", b"1", b"-5", b"1e-320", b"1e308", b"NaN", b"inf", b"40\\50", b"", b"x")),
    0x00281052: ("DS", (b"0", b"1e308", b"-1e400", b"NaN", b"inf", b"", b"x", b"1\\2")),
    0x00281053: ("DS", (b"0", b"-1", b"1e-300", b"1e308", b"NaN", b"-inf", b"", b"x", b"1\\2")),
    0x00281056: ("CS", (b"LINEAR", b"LINEAR_EXACT", b"SIGMOID", b"sigmoid", b"", b"CURVE", b"LINEAR\\SIGMOID")),
    0x00281101: ("US", (0, 1, 256, 65535)),
    0x00283000: ("SQ", (b"", b"\xfe\xff\x00\xe0\0\0\0\0", b"\xfe\xff\x00\xe0\xff\xff\xff\xff")),
    0x00283010: ("SQ", (b"", b"\xfe\xff\x00\xe0\0\0\0\0", b"\xfe\xff\x00\xe0\xff\xff\xff\xff")),
    0x00289145: ("SQ", (b"", b"\xfe\xff\x00\xe0\0\0\0\0")),
    0x7FE00001: ("OV", (b"", b"\0" * 8, b"\xff" * 24)),
    0x7FE00002: ("OV", (b"", b"\0" * 8, b"\xff" * 24)),
}  # fmt: skip
LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UT", b"UN", b"UC", b"UR", b"SV", b"UV")
Element = tuple[int, bytes, bytes]
"""Tag, VR and value."""


def _inside_dicom(data: bytes, rng: Random) -> bytes:
    """Elements of an explicit VR little endian file set to odd values, given another VR, or taken away."""
    elements, tail = _elements(data)
    if len(elements) < 5:
        return damage(data, "", rng)
    found = dict.fromkeys(tag for tag, _, _ in elements)
    for _ in range(1 + int(rng.expovariate(0.8))):
        if rng.random() < 0.25:
            gone = rng.choice(list(found))
            elements = [element for element in elements if element[0] != gone]
            continue
        tag = rng.choice(list(DICOM_VALUES))
        vr, values = DICOM_VALUES[tag]
        value = rng.choice(values)
        if rng.random() < 0.08:
            vr = rng.choice(("UN", "LO", "US", "SQ", "FD", "OB", "UI", "DS"))
        plain = value if isinstance(value, bytes) else struct.pack("<H", value)
        if isinstance(value, int) and rng.random() < 0.05:
            plain = plain * rng.choice((0, 2, 3))
        padded = plain + b"\0" * (len(plain) % 2)
        elements = [element for element in elements if element[0] != tag]
        elements.append((tag, vr.encode(), padded))
    if rng.random() < 0.95:
        elements.sort(key=lambda element: element[0])
    return data[:132] + b"".join(map(_element, elements)) + tail


def _elements(data: bytes) -> tuple[list[Element], bytes]:
    """The elements of a file up to the pixels or an undefined length, and what follows."""
    elements: list[Element] = []
    position = 132
    while position + 12 <= len(data):
        group, number, vr = struct.unpack_from("<HH2s", data, position)
        tag = group << 16 | number
        if tag == 0x7FE00010 or not vr.isalpha():
            break
        wide = vr in LONG_VRS
        (length,) = struct.unpack_from("<I" if wide else "<H", data, position + (8 if wide else 6))
        start = position + (12 if wide else 8)
        if start + length > len(data):
            break
        elements.append((tag, vr, data[start : start + length]))
        position = start + length
    return elements, data[position:]


def _element(element: Element) -> bytes:
    tag, vr, value = element
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in LONG_VRS:
        return head + b"\0\0" + struct.pack("<I", len(value)) + value
    return head + struct.pack("<H", len(value) % 65536) + value


INSIDE: dict[str, Callable[[bytes, Random], bytes]] = {"png": _inside_png, "dicom": _inside_dicom}
FIELDS: dict[str, Callable[[bytes], Iterator[Field]]] = {
    "png": _png, "jpeg": _jpeg, "tiff": _tiff, "bmp": _bmp, "webp": _webp, "dicom": _dicom, "nifti": _nifti,
    "zip": _zip, "parquet": _parquet, "arrow": _arrow, "npy": _npy,
}  # fmt: skip
SUFFIXES = {
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp", ".webp": "webp",
    ".dcm": "dicom", ".nii": "nifti", ".nii.gz": "nifti.gz", ".zip": "zip", ".parquet": "parquet", ".arrow": "arrow",
    ".npy": "npy", ".csv.gz": "text.gz", ".tsv.gz": "text.gz",
}  # fmt: skip


def kind_of(name: str) -> str:
    """The format of a file by its suffix, `text` for any other."""
    lower = name.lower()
    return next(
        (SUFFIXES[suffix] for suffix in sorted(SUFFIXES, key=len, reverse=True) if lower.endswith(suffix)), "text"
    )
