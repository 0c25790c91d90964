"""Files of formats that nobody here reads, small, the same bytes in every run: each is refused by its content."""

from __future__ import annotations

import gzip
import io
import struct

import numpy as np
from PIL import Image

from .rasters import colour, encoded, grey

NAMES = {
    "a.gif": "GIF", "film.gif": "GIF", "a.jp2": "JPEG 2000", "a.j2k": "JPEG 2000", "a.avif": "AVIF", "a.heic": "HEIC",
    "a.jxl": "JPEG XL", "a.psd": "Photoshop", "a.exr": "OpenEXR", "a.ico": "an icon (ICO)", "a.icns": "ICNS",
    "a.nrrd": "NRRD", "a.mha": "MetaImage", "a.mhd": "MetaImage", "a.npy": "a NumPy array", "a.h5": "HDF5",
    "a.mat": "a MATLAB file", "a.mnc": "NetCDF (as MINC)", "a.mp4": "a film (MP4)", "a.mkv": "a film (Matroska)",
    "a.feather": "Arrow (Feather)", "a.orc": "ORC", "a.sqlite": "an SQLite database", "a.lz4": "lz4",
    "a.Z": "compress (.Z)", "a.cab": "a cabinet (CAB)",
}  # fmt: skip
"""What a refusal calls each of `foreigns`; of the others it says what is read."""


def foreigns() -> dict[str, bytes]:
    """Pictures, volumes, films, tables and packed files; of formats that nothing here writes the head alone."""
    g, c = grey(), colour()
    film = io.BytesIO()
    Image.fromarray(g).save(film, "GIF", save_all=True, append_images=[Image.fromarray(grey(seed=1))])
    values = io.BytesIO()
    np.save(values, g)
    volume = g.tobytes()
    size = f"DimSize = {g.shape[1]} {g.shape[0]} 1\n"
    return {
        "a.gif": encoded(g, "GIF"),
        "film.gif": film.getvalue(),
        "a.jp2": encoded(g, "JPEG2000"),
        "a.j2k": encoded(g, "JPEG2000", no_jp2=True),
        "a.avif": _boxes(b"avif", volume),
        "a.heic": _boxes(b"heic", volume),
        "a.mp4": _boxes(b"isom", volume),
        "a.jxl": b"\xff\x0a" + volume,
        "a.psd": b"8BPS" + struct.pack(">H6xHIIHH", 1, 1, *g.shape, 8, 1) + bytes(14) + volume,
        "a.exr": b"v/1\x01" + struct.pack("<I", 2) + volume,
        "a.ico": encoded(grey(16, 16), "ICO"),
        "a.icns": b"\xf1\x00\x40\xbb" + volume,
        "a.pgm": encoded(g, "PPM"),
        "a.ppm": encoded(c, "PPM"),
        "a.tga": encoded(g, "TGA"),
        "a.pcx": encoded(g, "PCX"),
        "a.nrrd": f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: {g.shape[1]} {g.shape[0]}\nencoding: raw\n\n".encode()
        + volume,
        "a.mha": f"ObjectType = Image\nNDims = 3\n{size}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n".encode()
        + volume,
        "a.mhd": f"ObjectType = Image\nNDims = 3\n{size}ElementType = MET_UCHAR\nElementDataFile = a.raw\n".encode(),
        "a.npy": values.getvalue(),
        "a.h5": b"\x89HDF\r\n\x1a\n" + volume,
        "a.mat": b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + volume,
        "a.mnc": b"CDF\x01" + volume,
        "a.mkv": b"\x1aE\xdf\xa3" + volume,
        "a.pdf": b"%PDF-1.4\n" + encoded(g, "JPEG") + b"\n%%EOF\n",
        "a.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="data:image/png;base64,iVBORw0KGgo="/></svg>',
        "a.feather": b"ARROW1\x00\x00" + volume,
        "a.orc": b"ORC" + volume,
        "a.sqlite": b"SQLite format 3\x00" + volume,
        "a.lz4": b"\x04\x22\x4d\x18" + volume,
        "a.Z": b"\x1f\x9d" + volume,
        "a.cab": b"MSCF\x00" + volume,
        "a.7z": b"7z\xbc\xaf\x27\x1c" + volume,
        "a.raw": volume,
        "a.txt": b"a report without a picture\n" * 20,
        "a.png.gz": gzip.compress(encoded(g, "PNG"), mtime=0),
    }


def _boxes(brand: bytes, body: bytes) -> bytes:
    """The first boxes of an ISO base media file (ISO/IEC 14496-12, 4.3) of a brand."""
    head = b"ftyp" + brand + bytes(4) + brand + b"mif1"
    return struct.pack(">I", len(head) + 4) + head + struct.pack(">I", len(body) + 8) + b"mdat" + body
