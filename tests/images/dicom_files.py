"""DICOM files as tests write them."""

from __future__ import annotations

import io

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, generate_uid

ROWS, COLUMNS = 32, 40  # JPEG 2000 as pydicom writes it needs 32
EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


def dataset(stored: np.ndarray, bits: int | None = None, photometric: str = "MONOCHROME2", **keywords) -> Dataset:
    """An image of [H,W] or [frames,H,W] grey, or [H,W,3] colour, written as explicit VR little endian."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    ds.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    ds.SOPInstanceUID = generate_uid()
    ds.PatientID = "P1"
    ds.SamplesPerPixel = 3 if stored.shape[-1] == 3 else 1
    ds.Rows, ds.Columns = stored.shape[:2] if ds.SamplesPerPixel == 3 else stored.shape[-2:]
    if ds.SamplesPerPixel == 1 and stored.ndim == 3:
        ds.NumberOfFrames = len(stored)
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = 8 * stored.dtype.itemsize
    ds.BitsStored = bits or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.add_new("PixelData", "OB" if stored.dtype.itemsize == 1 else "OW", stored.tobytes())
    for name, value in keywords.items():
        setattr(ds, name, value)
    return ds


def saved(ds: Dataset, syntax: str = EXPLICIT) -> bytes:
    """The bytes of a file; uncompressed syntaxes only are converted to."""
    stream = io.BytesIO()
    if syntax == BIG_ENDIAN:
        dtype = {8: "u1", 16: "u2", 32: "u4"}[ds.BitsAllocated]
        ds.PixelData = np.frombuffer(ds.PixelData, "<" + dtype).astype(">" + dtype).tobytes()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def noise(low: int, high: int, dtype, shape=(ROWS, COLUMNS), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape, endpoint=True).astype(dtype)
