"""NIfTI files as tests write them."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np

SHAPE = (9, 11, 13)  # right, front, up


def voxels(dtype="i2", shape=SHAPE, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(max(limits.min, -3000), min(limits.max, 3000), shape).astype(dtype)


def saved(array: np.ndarray, affine=None, kind=nibabel.Nifti1Image, packed: bool = False, **fields) -> bytes:
    """The bytes of a file in RAS+, or with another affine; `fields` are written into its header as they are."""
    image = kind(array, np.eye(4) if affine is None else affine)
    data = bytearray(image.to_bytes())
    header = kind.header_class(bytes(data[: len(image.header.binaryblock)]), check=False)
    for name, value in fields.items():
        header.structarr[name] = value
    data[: len(header.binaryblock)] = header.binaryblock
    return gzip.compress(bytes(data)) if packed else bytes(data)
