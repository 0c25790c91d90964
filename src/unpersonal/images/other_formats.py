"""Formats that nobody here reads: what a file is by its first bytes, and what to do with it."""

from __future__ import annotations

from ..core.errors import InputError
from .contents import may_hold

PICTURES = (
    (0, b"GIF8", "GIF"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"8BPS", "Photoshop"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"\xf1\x00\x40\xbb", "ICNS"),
    (0, b"\x00\x00\x01\x00", "an icon (ICO)"),
)
"""Pictures of the photographic kind: place and bytes of their mark, and their name."""
VOLUMES = (
    (0, b"NRRD000", "NRRD"),
    (0, b"ObjectType =", "MetaImage"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"MATLAB 5.0", "a MATLAB file"),
    (0, b"CDF\x01", "NetCDF (as MINC)"),
    (0, b"CDF\x02", "NetCDF (as MINC)"),
    (4, b"ftyp", "a film (MP4)"),
    (0, b"\x1aE\xdf\xa3", "a film (Matroska)"),
)
"""Arrays, volumes and films."""
TABLES = ((0, b"ARROW1", "Arrow (Feather)"), (0, b"ORC", "ORC"), (0, b"SQLite format 3\x00", "an SQLite database"))
PARQUET = ((0, b"PAR1", "Parquet without a column of encoded images"),)
PACKED = (
    (0, b"\x04\x22\x4d\x18", "lz4"),
    (0, b"\x1f\x9d", "compress (.Z)"),
    (0, b"LZIP", "lzip"),
    (0, b"MSCF\x00", "a cabinet (CAB)"),
    (0, b"\x89LZO", "lzop"),
    (0, b"!<arch>\n", "ar"),
    (0, b"\x1f\x8b", "gzip"),
)
"""Archives and compressed files besides those of `file_kinds`."""
READ = ("PNG", "JPEG", "TIFF", "BMP", "WebP", "DICOM", "NIfTI")
"""Formats that are read, as `contents` names them."""
SAVE = "save the pictures as PNG (ImageMagick: `magick mogrify -format png *`)"
SLICE = "write slices as PNG or volumes as NIfTI (.nii.gz)"
UNPACK = "unpack the files"
WRITE = "write it as Parquet or CSV"
ENCODE = "write the bytes of a PNG or JPEG into a column, one image a row, as `datasets` does ({bytes, path})"
HOWS = ((PICTURES, SAVE), (VOLUMES, SLICE), (TABLES, WRITE), (PARQUET, ENCODE), (PACKED, UNPACK))


def other_format(head: bytes) -> tuple[str, str] | None:
    """Name of a format that is not read, by a file's first bytes, and what to do; None where they are of none."""
    for marks, how in HOWS:
        for place, mark, name in marks:
            if head[place : place + len(mark)] == mark:
                return name, how
    return None


def told(data: bytes) -> tuple[str, str] | None:
    """As `other_format`; of a format that is read, that the file's name does not say so."""
    if found := other_format(data):
        return found
    known = may_hold(data)
    if known in READ:
        return f"{known} by their content", f"give them the suffix of what they are ({known})"
    return (known, SAVE) if known == "PNM" else None


def refuse_other(head: bytes, where: str) -> None:
    """`InputError` for one file of a format that is not read."""
    if found := other_format(head):
        raise InputError(f"This is {found[0]}, which is not read", where=where, how=f"{found[1]}, and name that")


def named(data: bytes) -> str:
    """What a picture that nobody can decode is, for its refusal."""
    found = other_format(data)
    return f"the content is {found[0]}, which is not read: {found[1]}" if found else ""
