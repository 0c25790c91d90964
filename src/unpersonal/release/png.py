"""PNG files that hold pixels and the mark of synthetic ones, nothing else: writing, and reading to prove it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from .marking import CHUNK, HEADER_END, MARK, SIGNED, chunk, mark_problems

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ALLOWED_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_CHANNELS = {0: 1, 2: 3, 3: 1}
"""Samples per pixel of the colour types grey, RGB and palette."""
_HEADER = struct.Struct(">8x8xIIBB")
"""The beginning of a file as far as its width, height, depth and colour type."""
_LARGEST_SIDE = 1 << 14


def png_bytes(image: np.ndarray, *, marked: bool = False) -> bytes:
    """Encode one uint8 image [C,H,W], C = 1 (grey) or 3 (RGB): the chunks IHDR, IDAT and IEND, after the first the mark
    of a synthetic picture where it is to be `marked`."""
    import io

    from PIL import Image

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"an image must be uint8 [1 or 3,H,W], not {image.dtype} {image.shape}")
    pixels = image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1)
    stream = io.BytesIO()
    # fixed settings keep the bytes the same from run to run
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG", optimize=False, compress_level=6)
    plain = stream.getvalue()
    return plain[:HEADER_END] + chunk(CHUNK, MARK) + plain[HEADER_END:] if marked else plain


def _split_chunks(data: bytes) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    chunks: list[tuple[bytes, bytes]] = []
    position = len(SIGNATURE)
    while position < len(data):
        if position + 12 > len(data):
            return chunks, ["bytes after the last chunk"]
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            return chunks, ["a chunk is cut off"]
        body = data[position + 8 : end - 4]
        if zlib.crc32(kind + body) != struct.unpack(">I", data[end - 4 : end])[0]:
            return chunks, ["a chunk has a wrong checksum"]
        chunks.append((kind, body))
        position = end
        if kind == b"IEND":
            return chunks, [] if position == len(data) else ["bytes after the end of the picture"]
    return chunks, ["the end of the picture is missing"]


def png_problems(path: Path, *, marked: bool = False, signed: bool = False) -> list[str]:
    """Why the file is not a PNG of pixels only: foreign chunks, wrong checksums, bytes hidden behind the pixels.

    One that is to be `marked` must hold the mark as `png_bytes` writes it; any other may not. One that is to be
    `signed` as well must have the chunk of a C2PA manifest, whatever that says.
    """
    data = path.read_bytes()
    if not data.startswith(SIGNATURE):
        return ["not a PNG"]
    chunks, problems = _split_chunks(data)
    if problems:
        return problems
    allowed = (*ALLOWED_CHUNKS, *((CHUNK,) if marked else ()), *((SIGNED,) if signed else ()))
    foreign = sorted({kind.decode("latin-1") for kind, _ in chunks if kind not in allowed})
    if foreign:
        problems.append(f"metadata chunks {', '.join(foreign)}")
    kinds = [kind for kind, _ in chunks]
    problems += mark_problems(kinds, [body for _, body in chunks], signed=signed) if marked else []
    if kinds.count(b"IHDR") > 1 or kinds.count(b"PLTE") > 1:
        problems.append("a header or a palette occurs twice")
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        return [*problems, "no header"]
    if chunks[-1][1]:
        problems.append("bytes inside the end chunk")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
    reasonable = 0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE
    if depth != 8 or colour not in _CHANNELS or interlace or not reasonable:
        return [*problems, "not an 8-bit grey or RGB picture of a reasonable size"]
    if colour != 3 and b"PLTE" in kinds:
        problems.append("a palette in a picture that has no use for it")
    size = height * (1 + width * _CHANNELS[colour])
    inflate = zlib.decompressobj()
    try:
        # one byte more than the picture needs: enough to see hidden bytes, too little for a decompression bomb
        pixels = inflate.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"), size + 1)
    except zlib.error:
        return [*problems, "broken pixel data"]
    if len(pixels) != size or inflate.unused_data or inflate.unconsumed_tail or not inflate.eof:
        problems.append("the pixel data is longer or shorter than the picture")
    return problems


def shape_problems(path: Path, shape: object) -> list[str]:
    """Why the PNG at `path` is not of the `shape` [C,H,W] that the manifest tells of all."""
    with open(path, "rb") as stream:
        head = stream.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return ["not a PNG"]
    width, height, _, colour = _HEADER.unpack(head)
    found = [_CHANNELS.get(colour), height, width]
    return [] if found == shape else [f"its shape is {found}, and that of the manifest {shape!r}"]
