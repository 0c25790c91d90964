"""NIfTI-1: one gzipped file an image, grey or an RGB vector; the affine says which way is up and no more."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np

from ..exports import Content, Image, Written, write_tables

RGB_VECTOR = 2003
"""NIFTI_INTENT_RGB_VECTOR: the fifth dimension holds red, green and blue. MONAI reads no voxels of the type RGB24."""
UPRIGHT = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Columns run to the left and rows down, as radiographs are shown. Voxels of 1, in no unit: nothing was measured."""
HOW = (
    "`images/*.nii.gz` hold uint8 arrays [columns, rows] (grey) or [columns, rows, 1, 1, 3] (RGB); `labels.csv` and"
    " `metadata.csv` their labels. The affine says which way is up; spacing and the side of a body are not known."
)


class NiftiForm:
    """images/img-000001.nii.gz, …"""

    def write(self, content: Content, out: Path) -> Written:
        """See `Form`."""
        (out / "images").mkdir()
        for image in content.images:
            stream = io.BytesIO()
            with gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0) as packed:
                packed.write(_volume(image).to_bytes())
            (out / "images" / f"{image.stem}.nii.gz").write_bytes(stream.getvalue())
        write_tables(out, content, ".nii.gz")
        return Written(("metadata.csv", "images/*.nii.gz"), HOW)


def _volume(image: Image) -> Any:
    import nibabel

    # nibabel declares no types
    make: Any = nibabel.Nifti1Image
    pixels = image.pixels()
    if pixels.ndim == 2:
        return make(np.ascontiguousarray(pixels.T), UPRIGHT)
    colour = make(np.ascontiguousarray(pixels.transpose(1, 0, 2)[:, :, None, None, :]), UPRIGHT)
    colour.header.set_intent(RGB_VECTOR, allow_unknown=True)
    return colour


FORM = NiftiForm()
