"""Bytes of a file to pictures, by what the file is: raster image, DICOM or NIfTI."""

from __future__ import annotations

from collections.abc import Sequence

from .decode import decode_raster
from .picture import DecodeOptions, ImageError, Picture
from .reasons import Reason

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
RASTER_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"BM")
GZIP_MARK = b"\x1f\x8b"
NIFTI_MARKS = ((344, b"n+1\x00"), (344, b"ni1\x00"), (4, b"n+2\x00"), (4, b"ni2\x00"))
# a DICOM file without its preamble begins with an element of the group 0002 or 0008
BARE_DICOM = (b"\x02\x00", b"\x08\x00")


def kind_of(data: bytes) -> str:
    """`dicom`, `nifti` or `raster`, by content alone: equal bytes are the same image whatever their names say."""
    if data[128:132] == b"DICM":
        return "dicom"
    if data.startswith(RASTER_MARKS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        return "raster"
    if data.startswith(GZIP_MARK) or any(data[at : at + 4] == mark for at, mark in NIFTI_MARKS):
        return "nifti"
    return "dicom" if data.startswith(BARE_DICOM) else "raster"


def decode_pictures(
    data: bytes, fragments: Sequence[str], options: DecodeOptions, enough: int | None = None
) -> list[Picture | ImageError]:
    """One `Picture`, or the reason why there is none, for each of the `fragments` of one file (`""`: the only image).

    A JPEG may come at a reduced size, both sides at least `enough` pixels. No exception leaves this function for
    whatever the file holds.
    """
    kind = kind_of(data)
    try:
        if kind == "dicom":
            from .dicom import decode_dicom

            return decode_dicom(data, fragments, options)
        if kind == "nifti":
            from .nifti import decode_nifti

            return decode_nifti(data, fragments, options)
        return [
            ImageError(Reason.MISSING, f"the file is one picture and has no {fragment}")
            if fragment
            else decode_raster(data, enough, options.window)
            for fragment in fragments
        ]
    except ImageError as error:
        return [error] * len(fragments)
