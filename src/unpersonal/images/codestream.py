"""Compressed frames checked before a decoder written in C sees them.

Decoders allocate and write by what the frame says of itself, while the caller's memory is laid out by the DICOM
header: a frame that disagrees costs gigabytes or the process (GDCM does not survive one). So the markers are walked
here, and a frame that is not plainly what the header announces is refused. ITU-T T.81 (JPEG), T.87 (JPEG-LS), T.800
(JPEG 2000).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from .picture import ImageError
from .reasons import Reason

SOI, EOI, SOS, DHT, DQT, DRI, SOF_LS, LSE = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD, 0xF7, 0xF8
HARMLESS = {0xFE, *range(0xE0, 0xF0)}  # comments and application segments
# start-of-frame markers that a transfer syntax allows: baseline, extended sequential, lossless
JPEG_FRAMES = {
    "1.2.840.10008.1.2.4.50": (0xC0,),
    "1.2.840.10008.1.2.4.51": (0xC0, 0xC1),
    "1.2.840.10008.1.2.4.57": (0xC3,),
    "1.2.840.10008.1.2.4.70": (0xC3,),
}
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
MAX_TILES = 65535
# what ends entropy-coded data: a marker that is no stuffed zero (in JPEG-LS: no stuffed zero bit), restart or filling
IN_SCAN, IN_SCAN_LS = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]"), re.compile(rb"\xff[\x80-\xfe]")


@dataclass(frozen=True)
class FrameShape:
    """What the DICOM header says of a frame: size in pixels, samples per pixel, bytes per sample."""

    rows: int
    columns: int
    samples: int
    sample_bytes: int


def check_frame(frame: bytes, syntax: str, shape: FrameShape) -> None:
    """`ImageError` (unreadable) unless the compressed `frame` is whole, well formed and of that `shape`.

    Transfer syntaxes without a codestream (RLE, uncompressed) pass.
    """
    try:
        if syntax in JPEG_FRAMES:
            _Jpeg(shape, JPEG_FRAMES[syntax]).walk(frame, IN_SCAN)
        elif syntax in JPEG_LS:
            _Jpeg(shape, (SOF_LS,)).walk(frame, IN_SCAN_LS)
        elif syntax in JPEG_2000:
            _check_jpeg_2000(frame, shape)
    except (struct.error, IndexError):
        raise _bad("it ends too early") from None


def without_comments(frame: bytes) -> bytes:
    """A checked JPEG frame without comments and application segments: GDCM aborts the process at those it warns of."""
    parts, kept = [], 0
    for marker, _, place in _segments(frame, IN_SCAN):
        if marker in HARMLESS:
            parts.append(frame[kept : place.start])
            kept = place.stop
    return b"".join(parts) + frame[kept:]


def _bad(detail: str) -> ImageError:
    return ImageError(Reason.UNREADABLE, f"the compressed picture is damaged or not what the header says: {detail}")


def _require(condition: bool, detail: str) -> None:
    if not condition:
        raise _bad(detail)


@dataclass
class _Jpeg:
    """One JPEG or JPEG-LS codestream while its markers are walked."""

    shape: FrameShape
    frames: tuple[int, ...]
    kind: int = 0
    precision: int = 0
    components: list[int] = field(default_factory=list)
    scanned: list[int] = field(default_factory=list)
    tables: set[tuple[int, int]] = field(default_factory=set)  # (class, number) of the Huffman tables

    def walk(self, frame: bytes, in_scan: re.Pattern[bytes]) -> None:
        """Check every segment up to the end-of-image marker, and that each component has been scanned once."""
        for marker, body, _ in _segments(frame, in_scan):
            if marker in (0xC0, 0xC1, 0xC3, SOF_LS):
                self._frame_header(marker, body)
            elif marker == SOS:
                self._scan_header(body)
            elif marker == DHT:
                self._huffman_tables(body)
            elif marker == DQT:
                _check_quantisation(body)
            elif marker == DRI:
                _require(len(body) == 2, "restart interval")
            else:
                _require(marker in HARMLESS or (marker == LSE and self.frames == (SOF_LS,)), f"marker {marker:#04x}")
        _require(sorted(self.scanned) == sorted(self.components) and bool(self.scanned), "a component has no scan")

    def _frame_header(self, marker: int, body: bytes) -> None:
        _require(not self.kind and marker in self.frames, f"frame of kind {marker:#04x}")
        precision, rows, columns, count = struct.unpack_from(">BHHB", body)
        _check_shape(self.shape, rows, columns, count)
        _require(len(body) == 6 + 3 * count, "frame header")
        allowed = {0xC0: (8,), 0xC1: (8, 12)}.get(marker, range(2, 17))
        _require(precision in allowed, f"{precision} bits")
        _require((precision + 7) // 8 == self.shape.sample_bytes, f"{precision} bits")
        for identifier, sampling, table in struct.iter_unpack("3B", body[6:]):
            across, down = sampling >> 4, sampling & 15
            most = 4 if marker in (0xC0, 0xC1) else 1
            _require(1 <= across <= most and 1 <= down <= most and table <= 3, "component")
            self.components.append(identifier)
        _require(len(set(self.components)) == count, "component")
        self.kind, self.precision = marker, precision

    def _scan_header(self, body: bytes) -> None:
        count = body[0]
        _require(bool(self.kind) and 1 <= count <= 4 and len(body) == 4 + 2 * count, "scan header")
        first, last, approximation = body[-3:]
        for identifier, tables in struct.iter_unpack("2B", body[1:-3]):
            _require(identifier in self.components, "scan of an unknown component")
            self.scanned.append(identifier)
            if self.kind == SOF_LS:
                _require(tables == 0, "mapping table")
                continue
            _require((0, tables >> 4) in self.tables, "Huffman table")
            _require(self.kind == 0xC3 or (1, tables & 15) in self.tables, "Huffman table")
        _require(len(set(self.scanned)) == len(self.scanned), "a component is scanned twice")
        if self.kind == 0xC3:
            good = 1 <= first <= 7 and last == 0 and approximation < self.precision
        elif self.kind == SOF_LS:
            good = first < 2 ** min(self.precision - 1, 7) and last <= 2 and approximation == 0
        else:
            good = True  # sequential decoders ignore them, and scanners are known that write them wrong
        _require(good, "scan parameters")

    def _huffman_tables(self, body: bytes) -> None:
        while body:
            group, number = body[0] >> 4, body[0] & 15
            counts = body[1:17]
            total = sum(counts)
            _require(group <= 1 and number <= 3 and len(counts) == 16 and len(body) >= 17 + total, "Huffman table")
            free = 1  # codes left at this length; the code of all ones stays unused (T.81, C)
            for entries in counts:
                free = 2 * free - entries
                _require(free >= (1 if entries else 0), "Huffman table")
            _require(0 < total <= 256 and (group == 1 or max(body[17 : 17 + total]) <= 16), "Huffman table")
            self.tables.add((group, number))
            body = body[17 + total :]


def _segments(frame: bytes, in_scan: re.Pattern[bytes]) -> Iterator[tuple[int, bytes, slice]]:
    """Marker, body and place of each segment up to the end-of-image marker; entropy-coded data is skipped."""
    _require(frame[:2] == b"\xff\xd8", "it does not start as JPEG")
    position = 2
    while True:
        start = position
        _require(frame[position] == 0xFF, "no marker where one is due")
        while frame[position] == 0xFF:
            position += 1
        marker = frame[position]
        if marker == EOI:
            return
        (length,) = struct.unpack_from(">H", frame, position + 1)
        body = frame[position + 3 : position + 1 + length]
        _require(length >= 2 and len(body) == length - 2, "it ends too early")
        position += 1 + length
        yield marker, body, slice(start, position)
        if marker == SOS:
            found = in_scan.search(frame, position)
            _require(found is not None, "it ends too early")
            position = found.start()  # type: ignore[union-attr]


def _check_quantisation(body: bytes) -> None:
    while body:
        size = 64 * (1 + (body[0] >> 4))
        _require(body[0] >> 4 <= 1 and body[0] & 15 <= 3 and len(body) >= 1 + size, "quantisation table")
        values = struct.unpack(">64B" if size == 64 else ">64H", body[1 : 1 + size])
        _require(min(values) > 0, "quantisation table")
        body = body[1 + size :]


def _check_shape(shape: FrameShape, rows: int, columns: int, samples: int) -> None:
    found, said = (columns, rows, samples), (shape.columns, shape.rows, shape.samples)
    _require(found == said, "{} × {} pixels of {} samples".format(*found))


def _check_jpeg_2000(frame: bytes, shape: FrameShape) -> None:
    """Image, component and tile sizes of the SIZ segment (T.800, A.5.1)."""
    start = _codestream_start(frame)
    _require(frame[start : start + 4] == b"\xff\x4f\xff\x51", "it does not start as JPEG 2000")
    right, lower, left, upper, tile_width, tile_height, tile_left, tile_top, count = struct.unpack_from(
        ">8IH", frame, start + 8
    )
    _check_shape(shape, lower - upper, right - left, count)
    _require(tile_width > 0 and tile_height > 0 and tile_left <= left and tile_top <= upper, "tiles")
    tiles = -(-(right - tile_left) // tile_width) * -(-(lower - tile_top) // tile_height)
    _require(1 <= tiles <= MAX_TILES, "tiles")
    for index in range(count):
        depth, across, down = struct.unpack_from("3B", frame, start + 42 + 3 * index)
        bits = (depth & 0x7F) + 1
        _require(across == down == 1 and (bits + 7) // 8 <= shape.sample_bytes, f"{bits} bits")


def _codestream_start(frame: bytes) -> int:
    """Offset of the codestream: 0, or that of the `jp2c` box where the frame is a JP2 file."""
    if frame[4:8] != b"jP  ":
        return 0
    position = 0
    while position + 8 <= len(frame):
        length, kind = struct.unpack_from(">I4s", frame, position)
        if kind == b"jp2c":
            return position + (16 if length == 1 else 8)
        _require(length >= 8, "box")
        position += length
    raise _bad("no codestream")
