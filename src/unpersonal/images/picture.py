"""What decoding hands on, whatever the file format. Legend: C channels (1 grey, 3 colour), H rows, W columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .reasons import Reason

MAX_PIXELS = 64 * 2**20  # 8192 × 8192, of one image or one slice
MAX_VOLUME = 1024 * 2**20  # voxels times channels of all frames of one file
MIN_SIDE = 8
LONGEST_DETAIL = 300


class ImageError(Exception):
    """One image cannot be used: `reason` is the word for quarantine.csv, `detail` a sentence.

    Details quote files: what is not printable becomes U+FFFD, white space one blank, and a long one is cut.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        plain = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(detail.split()))
        self.reason, self.detail = Reason(reason), plain[:LONGEST_DETAIL]
        super().__init__(f"{self.reason}: {self.detail}")


@dataclass(frozen=True)
class Picture:
    """Pixels uint8 or uint16 [C, H, W]; `height`, `width` and `bits` are those of the file, before any reduction.

    Pixels are square: where those of the file are not, `squares.squared` made them so, and the size is the new one.

    `windowed` says that 0..65535 already is the range to be shown (a window was applied); otherwise preprocessing finds
    black and white by percentiles. `notes` are facts for the owner's report, from fixed vocabularies (`NOTES` and
    `MERE_NOTES`).
    `padding` bool [H, W] marks pixels that were never measured: they are 0, and no percentile counts them.
    """

    pixels: np.ndarray
    height: int
    width: int
    bits: int
    notes: tuple[str, ...] = ()
    windowed: bool = False
    padding: np.ndarray | None = None


NOTES = {
    "burned-in": "the DICOM header says that annotation is burned into the pixels (BurnedInAnnotation YES)",
    "burned-in-unsaid": "the DICOM header does not say whether annotation is burned into the pixels",
    "header-identity": "the DICOM header names the person (name, birth date, address, accession number)",
    "head": "the image shows a head: a face may be reconstructed from the volume",
}

MERE_NOTES = {
    "squared": "the header gives pixels that are not square; they were made so",
    "overlay": "the DICOM file holds an overlay (group 60xx), drawn or written apart from the picture; it was left out",
}
"""Notes that are no reason to worry."""


@dataclass(frozen=True)
class DecodeOptions:
    """How grey values and volumes become pictures; the same for every image of a cohort."""

    window: tuple[float, float] | None = None  # centre and width in stored units, after rescale (HU)
    slice_axis: str = "axial"


def split_name(image: str) -> tuple[str, str]:
    """File and fragment of an image's name: `a/b.dcm#frame=3` is (`a/b.dcm`, `frame=3`), a whole file (name, "")."""
    for mark in ("#frame=", "#slice="):
        file, found, number = image.rpartition(mark)
        if found and number.isdecimal():
            return file, mark[1:] + number
    return image, ""


def check_size(height: int, width: int) -> None:
    """`ImageError` with reason too-large or too-small where a picture is outside what is read."""
    if height * width > MAX_PIXELS:
        raise ImageError(Reason.TOO_LARGE, f"{width} × {height} pixels")
    if min(height, width) < MIN_SIDE:
        raise ImageError(Reason.TOO_SMALL, f"{width} × {height} pixels")
