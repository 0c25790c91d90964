"""What a file is by its first bytes, where it is not what was asked for: a workbook, one image, an archive."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from ..core.errors import InputError
from .other_formats import refuse_other

HEAD = 132  # bytes that tell
PART = re.compile(r"\.(?:(?:zip|7z|rar|tar|tgz|gz|xz|bz2|zst)\.\d{2,4}|part\d+\.rar|[zr]\d{2})$", re.IGNORECASE)
"""The end of the name of a part of an archive that was cut into several."""
JOIN = "unpack the first part with 7-Zip, or join them (`zip -s 0 split.zip --out whole.zip`), and name what comes out"
_SHEET = "save the sheet as CSV (UTF-8), and name that file"
_WORKBOOK = ("This is an Excel workbook", _SHEET)
_IMAGE = ("This is one image", "name the folder or zip that the images lie in, or a table that lists them")
_UNPACK = "unpack it and name the folder, or make a zip of it"
_ARCHIVES = {
    b"BZh": ("This is a bzip2 archive", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("This is a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("This is a RAR archive", _UNPACK),
    b"\xfd7zXZ\x00": ("This is an xz archive", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("This is a Zstandard archive", _UNPACK),
}
_MARKS = {
    b"PAR1": ("This is a Parquet file", "give it the suffix .parquet"),
    b"PK\x03\x04": ("This is a zip archive or an Excel workbook", f"name a zip as such; {_SHEET}"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _WORKBOOK,
    b"\x1f\x8b": ("This is gzip", "of a table: give it the suffix .csv.gz or .tsv.gz; of an archive: unpack it"),
    **_ARCHIVES,
    b"%PDF-": ("This is a PDF", "save the table as CSV (UTF-8), and name that file"),
    b"\x89PNG\r\n\x1a\n": _IMAGE,
    b"\xff\xd8\xff": _IMAGE,
    b"II*\x00": _IMAGE,
    b"MM\x00*": _IMAGE,
}


def foreign_kind(head: bytes) -> tuple[str, str] | None:
    """What the first bytes of a file say that it is, and what to do; None where they say nothing."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _IMAGE
    if head[128:132] == b"DICM":
        return _IMAGE
    return next((found for mark, found in _MARKS.items() if head.startswith(mark)), None)


def is_other_archive(path: Path) -> bool:
    """Whether the first bytes of a file are those of an archive that is no zip."""
    with open(path, "rb") as stream:
        return stream.read(HEAD).startswith(tuple(_ARCHIVES))


def refuse_foreign(head: bytes, where: str) -> None:
    """`InputError` where text was asked for and the first bytes say that it is something else."""
    found = foreign_kind(head)
    if found and where.lower().endswith((".xlsx", ".xlsm")) and head.startswith(b"PK"):
        found = _WORKBOOK
    if found:
        raise InputError(found[0], where=where, how=found[1])


def refuse_workbook(names: Collection[str], where: str) -> None:
    """`InputError` where the entries of a zip are those of an office document: it has no images for anybody."""
    if "[Content_Types].xml" in names:
        if any(name.startswith("xl/") for name in names):
            raise InputError(_WORKBOOK[0], where=where, how=_SHEET)
        if any(name.startswith("word/") for name in names):
            raise InputError("This is a Word document", where=where, how=_SHEET.replace("sheet", "table"))
    if {"mimetype", "content.xml", "META-INF/manifest.xml"} <= set(names):
        raise InputError("This is an OpenDocument workbook", where=where, how=_SHEET)


def refuse_single(path: Path) -> NoReturn:
    """`InputError` for a file that is neither folder nor zip, with what it is where its first bytes tell."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise InputError(
            f"The file cannot be read ({error.strerror})", where=str(path), how="make it readable"
        ) from None
    if path.name.lower().endswith((".nii", ".nii.gz")):
        raise InputError("This is one volume", where=str(path), how="name the folder or zip that the volumes lie in")
    if PART.search(path.name):
        raise InputError("This is one part of an archive", where=str(path), how=JOIN)
    refuse_foreign(head, str(path))
    refuse_other(head, str(path))
    raise InputError(
        "Neither a folder nor a zip archive nor a table",
        where=str(path),
        how="name the folder of the images; tables end in .csv, .tsv or .parquet, lists in .txt",
    )
