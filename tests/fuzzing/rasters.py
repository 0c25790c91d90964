"""Valid raster files of every kind that is read, small, the same bytes in every run."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

ROWS, COLUMNS = 24, 40
# first row, first column, row step, column step of the seven passes (PNG, 8.2)
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
PNG_MARK = b"\x89PNG\r\n\x1a\n"


def grey(rows: int = ROWS, columns: int = COLUMNS, seed: int = 0) -> np.ndarray:
    """uint8 [rows,columns]: slopes, noise and, where there is room, a line of text."""
    down, across = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(seed).integers(0, 40, (rows, columns))
    image = Image.fromarray(((down * 5 + across * (3 + seed % 5) + noise + 20 * seed) % 256).astype(np.uint8))
    if rows >= 64:
        ImageDraw.Draw(image).text((4, 4), f"PATIENT {seed}", fill=255)
    return np.asarray(image)


def colour(seed: int = 0) -> np.ndarray:
    """uint8 [rows,columns,3] whose channels differ."""
    return np.stack([grey(seed=seed), grey(seed=seed + 1)[::-1], grey(seed=seed + 2)[:, ::-1]], axis=-1)


def encoded(array: np.ndarray, kind: str, mode: str | None = None, **options: Any) -> bytes:
    """The file that Pillow makes of an array."""
    image = Image.fromarray(np.ascontiguousarray(array))
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk with its check sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples: np.ndarray, depth: int, colour_type: int, *, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """A PNG of [H,W] or [H,W,n] samples; `extra` chunks stand before the pixels."""
    height, width = samples.shape[:2]
    passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [samples]
    lines = b"".join(_scanlines(part, depth) for part in passes if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    return (
        PNG_MARK
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", zlib.compress(lines))
        + png_chunk(b"IEND", b"")
    )


def _scanlines(part: np.ndarray, depth: int) -> bytes:
    rows = part.reshape(len(part), -1)
    if depth == 16:
        packed = rows.astype(">u2").view(np.uint8).reshape(len(rows), -1)
    elif depth == 8:
        packed = rows.astype(np.uint8)
    else:
        bits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=-1)[..., -depth:]
        packed = np.packbits(bits.reshape(len(rows), -1), axis=-1)
    return np.hstack([np.zeros((len(rows), 1), np.uint8), packed]).tobytes()


def pngs() -> dict[str, bytes]:
    """Depths, colour types, interlacing, transparency, an orientation, several frames."""
    g, c = grey(), colour()
    deep = g.astype(np.uint16) * 251
    alpha = np.dstack([c, g])
    palette = png_chunk(b"PLTE", np.random.default_rng(3).integers(0, 256, 48).astype(np.uint8).tobytes())
    turned = Image.Exif()
    turned[0x0112] = 6
    animation = io.BytesIO()
    frames = [Image.fromarray(grey(seed=i)) for i in range(3)]
    frames[0].save(animation, "PNG", save_all=True, append_images=frames[1:])
    return {
        "grey8": encoded(g, "PNG"),
        "grey16": png(deep, 16, 0),
        "grey1": png(g > 128, 1, 0),
        "grey4": png(g // 16, 4, 0),
        "rgb": encoded(c, "PNG"),
        "rgb16": png(c.astype(np.uint16) * 257, 16, 2),
        "rgba": encoded(alpha, "PNG"),
        "grey-alpha": png(np.dstack([g, g[::-1]]), 8, 4),
        "palette": png(g // 16, 8, 3, extra=palette),
        "palette4": png(g // 16, 4, 3, extra=palette + png_chunk(b"tRNS", bytes(range(0, 160, 10)))),
        "grey-transparent": png(g, 8, 0, extra=png_chunk(b"tRNS", b"\0\x30")),
        "interlaced": png(g, 8, 0, interlaced=True),
        "interlaced16": png(deep, 16, 0, interlaced=True),
        "interlaced-rgb": png(c, 8, 2, interlaced=True),
        "turned": encoded(g, "PNG", exif=turned),
        "said": png(
            g, 8, 0, extra=png_chunk(b"tEXt", b"Comment\0hello") + png_chunk(b"gAMA", struct.pack(">I", 45455))
        ),
        "text": encoded(grey(96, 128), "PNG"),
        "frames": animation.getvalue(),
    }


def jpegs() -> dict[str, bytes]:
    """Grey, colour in two samplings, progressive, CMYK, restart markers, an orientation, a larger one."""
    g, c = grey(), colour()
    turned = Image.Exif()
    turned[0x0112] = 8
    return {
        "grey": encoded(g, "JPEG"),
        "colour": encoded(c, "JPEG", quality=90),
        "colour444": encoded(c, "JPEG", subsampling=0, optimize=True),
        "progressive": encoded(c, "JPEG", progressive=True),
        "progressive-grey": encoded(g, "JPEG", progressive=True),
        "cmyk": encoded(c, "JPEG", "CMYK"),
        "restart": encoded(c, "JPEG", restart_marker_blocks=1),
        "turned": encoded(c, "JPEG", exif=turned),
        "said": encoded(g, "JPEG", comment=b"hello", dpi=(72, 72)),
        "text": encoded(grey(96, 320), "JPEG"),
    }


def tiffs() -> dict[str, bytes]:
    """Compressions, depths, byte orders, floating point, several pages."""
    g, c = grey(), colour()
    deep, real = g.astype(np.uint16) * 251, g.astype(np.float32) / 7 - 9
    pages = io.BytesIO()
    Image.fromarray(g).save(pages, "TIFF", save_all=True, append_images=[Image.fromarray(grey(seed=1))])
    packed = {
        f"{name}-{kind}": encoded(array, "TIFF", compression=kind)
        for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits")
        for name, array in (("grey", g), ("rgb", c), ("deep", deep))
    }
    return packed | {
        "grey": encoded(g, "TIFF"),
        "rgb": encoded(c, "TIFF"),
        "rgba": encoded(np.dstack([c, g]), "TIFF"),
        "cmyk": encoded(c, "TIFF", "CMYK"),
        "palette": encoded(c, "TIFF", "P"),
        "deep": encoded(deep, "TIFF"),
        "int32": encoded(g.astype(np.int32) * 70000 - 9, "TIFF"),
        "float": encoded(real, "TIFF"),
        "float-deflate": encoded(real, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg": encoded(c, "TIFF", compression="jpeg"),
        "fax4": encoded(g, "TIFF", "1", compression="group4"),
        "bits": encoded(g, "TIFF", "1"),
        "big": big_endian_tiff(g),
        "big-float": big_endian_tiff(real),
        "bigtiff": encoded(g, "TIFF", big_tiff=True),
        "turned": encoded(g, "TIFF", tiffinfo={0x0112: 3}),
        "pages": pages.getvalue(),
    }


def big_endian_tiff(array: np.ndarray) -> bytes:
    """A TIFF in Motorola byte order of grey [H,W], written by hand: Pillow writes the other one."""
    height, width = array.shape
    size = array.dtype.itemsize
    values = array.astype(array.dtype.newbyteorder(">")).tobytes()
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8 * size), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 4, height), (279, 4, len(values)), (339, 3, 3 if array.dtype.kind == "f" else 1)]
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">I", value) if kind == 4 else struct.pack(">HH", value, 0))
        for tag, kind, value in tags
    )
    return b"MM\0*" + struct.pack(">I", 8 + len(values)) + values + struct.pack(">H", len(tags)) + entries + b"\0\0\0\0"


def bmps() -> dict[str, bytes]:
    """Grey, colour, palette, one bit, run lengths, the old header."""
    g, c = grey(), colour()
    runs = b"".join(bytes([COLUMNS, row * 9 % 256, 0, 0]) for row in range(ROWS)) + b"\0\1"
    palette = b"".join(bytes([i, i, 255 - i, 0]) for i in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, COLUMNS, ROWS, 1, 8, 1, len(runs), 2835, 2835, 256, 0)
    core = struct.pack("<IHHHH", 12, COLUMNS, ROWS, 1, 24)
    rows = np.ascontiguousarray(c[::-1, :, ::-1]).tobytes()
    return {
        "grey": encoded(g, "BMP"),
        "rgb": encoded(c, "BMP"),
        "rgba": encoded(np.dstack([c, g]), "BMP"),
        "palette": encoded(c, "BMP", "P"),
        "bits": encoded(g, "BMP", "1"),
        "runs": b"BM" + struct.pack("<IHHI", 54 + 1024 + len(runs), 0, 0, 54 + 1024) + header + palette + runs,
        "core": b"BM" + struct.pack("<IHHI", 26 + len(rows), 0, 0, 26) + core + rows,
    }


def webps() -> dict[str, bytes]:
    """Lossy, lossless, with alpha, with an orientation, an animation."""
    g, c = grey(), colour()
    turned = Image.Exif()
    turned[0x0112] = 5
    animation = io.BytesIO()
    frames = [Image.fromarray(colour(seed=i)) for i in range(3)]
    frames[0].save(animation, "WEBP", save_all=True, append_images=frames[1:])
    return {
        "lossy": encoded(c, "WEBP", quality=80),
        "lossless": encoded(c, "WEBP", lossless=True),
        "grey": encoded(g, "WEBP", lossless=True),
        "alpha": encoded(np.dstack([c, g]), "WEBP", quality=70),
        "turned": encoded(c, "WEBP", lossless=True, exif=turned),
        "frames": animation.getvalue(),
    }
