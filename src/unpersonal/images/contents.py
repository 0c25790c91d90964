"""Whether a file that nobody reads as a picture may hold one all the same: by its content, whatever its name says."""

from __future__ import annotations

import re

from .picture import ImageError
from .reasons import Reason

FORMATS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"%PDF-", "PDF"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
"""First bytes of what holds pictures or may hold them, and its name."""
PORTABLE = re.compile(rb"P[1-7Ff]\s")
"""The beginning of PBM, PGM, PPM, PAM and PFM, of which some are plain text."""
TEXT_PICTURE = re.compile(
    rb"\s*(%!PS|%PDF-|\{\\rtf|/\* XPM|#define \w+_width\s|<svg\b|<\?xml[^>]*>\s*(<!.*?>\s*)*<svg\b"
    rb"|NRRD000|ObjectType\s*=|# vtk DataFile|SIMPLE  =|ncols\s+\d)",
    re.DOTALL,
)
"""The beginning of text that is a picture, a volume or a document with pictures; a volume may have a number a line."""
EMBEDDED = re.compile(rb"data:image/|iVBORw0KGgo|/9j/4|R0lGOD[dl]")
"""A picture written into text: a data URI, or the first bytes of PNG, JPEG and GIF in Base64."""
NUMBER = re.compile(rb"(?<![^\s,;:\[(])[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![^\s,;\])])")
ROW = 256
"""Numbers in one line of text that may be a picture of 16 by 16 pixels; labels and measurements are fewer."""
DICOMDIR, PIXEL_DATA = b"UI\x14\x001.2.840.10008.1.3.10", b"\xe0\x7f\x10\x00"
"""The class of the index of a DICOM medium, and the tag of pixels, which such an index has for icons alone (PS3.3)."""
CONTROL = bytes({*range(32), 127} - set(b"\t\n\v\f\r\x1b"))
LEAST_ASCII = 0.9
"""Share of ASCII in text that is no UTF-8 but of an older encoding; pixels without control characters are below."""
LITTER = 4096
"""Bytes of a file in which macOS keeps what it knows of another file; pictures in it are larger or have their mark."""


def may_hold(data: bytes) -> str | None:
    """What a file of this content is or may be, in words, if that is or holds a picture; None for certain if not.

    No picture are empty files, plain text without a picture or rows of pixels written into it, a DICOMDIR without
    icons, and what macOS leaves behind. All else may hold one.
    """
    if not data or _is_litter(data) or _is_index(data):
        return None
    if PORTABLE.match(data):
        return "PNM"
    if _is_text(data):
        if TEXT_PICTURE.match(data):
            return "a picture or document written as text"
        if _has_rows_of_numbers(data):
            return "text with rows of numbers that may be pixels"
        return "text with a picture in it" if EMBEDDED.search(data) else None
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[128:132] == b"DICM":
        return "DICOM"
    if any(data[at : at + 3] in (b"n+1", b"ni1", b"n+2", b"ni2") for at in (4, 344)):
        return "NIfTI"
    if data[257:262] == b"ustar":
        return "a tar archive"
    return next((name for mark, name in FORMATS if data.startswith(mark)), "no text, and of no known kind")


def holds_more(data: bytes) -> str | None:
    """What a PNG or JPEG file holds beside its picture, in words, where that may be a picture; None if nothing.

    A thumbnail is often that of the picture from which a file was made. Within the pixels of a JPEG its mark cannot be
    (ITU-T T.81, B.1.1.5).
    """
    jpeg = b"\xff\xd8\xff"
    if data.startswith(jpeg):
        return "another picture, such as a thumbnail" if jpeg in data[3:] else None
    if not data.startswith(FORMATS[0][0]):
        return None
    at = 8
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"eXIf" and jpeg in data[at : at + length + 12]:
            return "another picture, such as a thumbnail"
        at += length + 12
        if kind == b"IEND":
            return "something behind its end" if data[at:].strip(b"\x00") else None
    return None


def not_looked_at(read: bytes | ImageError, hidden: bool) -> ImageError | None:
    """Why a file that no layout takes may be a picture that nobody looked at; None where it is certainly none.

    `read` is its content, or why that cannot be had; `hidden` says that it is an image by name, and hidden.
    """
    if isinstance(read, ImageError):
        return None if read.reason == Reason.EMPTY else read
    found = may_hold(read)
    if found is None:
        return ImageError(Reason.UNREADABLE, "a hidden image") if hidden and not _is_litter(read) else None
    return ImageError(Reason.UNREADABLE, f"{found}{', hidden' if hidden else ''}: not looked at")


def _is_text(data: bytes) -> bool:
    """Whether all of it is text: UTF-8, UTF-16 with its mark, or mostly ASCII; no control characters."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            data = data.decode("utf-16").encode("utf-8", "replace")
        except UnicodeDecodeError:
            return False
    if len(data.translate(None, CONTROL)) < len(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return len(data.translate(None, bytes(range(128, 256)))) >= LEAST_ASCII * len(data)
    return True


def _has_rows_of_numbers(data: bytes) -> bool:
    """Whether a line of text holds as many numbers as a small picture has pixels."""
    return any(len(NUMBER.findall(line)) >= ROW for line in data.splitlines() if len(line) >= 2 * ROW)


def _is_index(data: bytes) -> bool:
    """Whether it is a DICOMDIR without icons."""
    return data[128:132] == b"DICM" and DICOMDIR in data[:1024] and PIXEL_DATA not in data


def _is_litter(data: bytes) -> bool:
    """Whether it is the view of a folder (.DS_Store), or a small AppleDouble file without the mark of a picture."""
    if data.startswith(b"\x00\x00\x00\x01Bud1"):
        return True
    pictures = (mark for mark, _ in FORMATS if len(mark) > 2)
    return data.startswith(b"\x00\x05\x16\x07") and len(data) <= LITTER and not any(mark in data for mark in pictures)
