"""Bytes of a file to pictures, by what the file is: raster image, DICOM or NIfTI."""

from __future__ import annotations

from collections.abc import Sequence

from .decode import decode_raster
from .picture import DecodeOptions, ImageError, Picture

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
NIFTI_SUFFIXES = (".nii", ".nii.gz")


def kind_of(file: str, data: bytes) -> str:
    """`dicom`, `nifti` or `raster`: by the DICOM mark at byte 128, else by the name."""
    lower = file.lower()
    if data[128:132] == b"DICM" or lower.endswith(DICOM_SUFFIXES):
        return "dicom"
    return "nifti" if lower.endswith(NIFTI_SUFFIXES) else "raster"


def decode_pictures(
    data: bytes, file: str, fragments: Sequence[str], options: DecodeOptions, enough: int | None = None
) -> list[Picture | ImageError]:
    """One `Picture`, or the reason why there is none, for each of the `fragments` of one file (`""`: the only image).

    A JPEG may come at a reduced size, both sides at least `enough` pixels. No exception leaves this
    function for whatever the file holds.
    """
    kind = kind_of(file, data)
    try:
        if kind == "dicom":
            from .dicom import decode_dicom

            return decode_dicom(data, fragments, options)
        if kind == "nifti":
            from .nifti import decode_nifti

            return decode_nifti(data, fragments, options)
        return [
            ImageError("missing", f"the file is one picture and has no {fragment}")
            if fragment
            else decode_raster(data, enough, options.window)
            for fragment in fragments
        ]
    except ImageError as error:
        return [error] * len(fragments)
