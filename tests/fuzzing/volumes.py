"""Valid DICOM and NIfTI files, small, the same bytes in every run."""

from __future__ import annotations

import base64
import gzip
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .rasters import COLUMNS, colour, encoded, grey

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, RLE, BASELINE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50"
EXTENDED, LOSSLESS, LOSSLESS_1 = "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
JPEG_LS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K, J2K_LOSSY, HTJ2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.201"
CAPTURE, ENHANCED_CT, REPORT = (
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.88.11",
)
ROOT = "1.2.826.0.1.3680043.8.498.7"
SMALL = (16, 20)  # of the recorded frames
# 200 row + 7 column, by OpenJPH 0.26.3 (imagecodecs 2026.3.6); nothing that is installed writes this syntax
HTJ2K_FRAME = base64.b64decode(
    "/0//UQApQAAAAAAUAAAAEAAAAAAAAAAAAAAAFAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJCQ"
    "kJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAIkAAf+TwAAmZ/gFB3QAwAASgOQBB3QAwAARwAATgABjAEZu5ADCNADAABHA"
    "ABVAEnMAIAcZ5AAYwHdWAMAAE8AAFcDe3dF+y3UAggsWLFjw4BBGQgHsuADAACrgABawJEmS7+Cnp6dCeACOHR0dHR0dHR0d/oY9jGB79jGB7LwA"
    "/9k="
)
# 2048 + 1500 sin(column / 5) cos(row / 4), 12 bits, quality 98, by libjpeg-turbo (imagecodecs 2026.3.6)
EXTENDED_FRAME = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQIBAQEBAQIBAQECAgICAgICAgIDAwQDAwMDAwICAwQDAwQEBAQEAgMFBQQE"
    "BQQEBAT/wQALDAAQABQBAREA/8QAFwAAAwEAAAAAAAAAAAAAAAAACgwNDv/EACgQAAAEBgEEAgMBAAAAAAAAAAEDBQYCBAcICQoACwwREiFBEyIx"
    "M//aAAgBAQAAPwB6o7et7rN1uejvYmbVsfGUq7Wg9GXxQGmaMx1tOqK9UxCnJc5NkyZYyGOA8yEQEBLH4HhJ3XQO8gNV3qq2GC5XGbjevRt0qzUG"
    "ttJ1anyQlsN+JK1PHnqEibKlwwwEmxCIjEYAchd3ULu3GM8G4rtO5As9trNtdZHnRe75XKUWu4G41J+fSZ2EtWXVERLMggGEf1Vih+B+w4sB95D7"
    "2u7bry7DeQGkmA1/XatulbUro5ktsE0YUl2VToZYlSmoCQLCUEIfHqAePHAhe1Fuol7++dXZwsgotmyqRekv0ec1wreSXGRVpVcMylxypyrLwGgY"
    "EzEMPj1EfPnmrv8Ao2mnhqWZD9BHD3dVf0y7aVK5yoLdmDn5NvSQSDXAZGDdaZwfmiOD3/0mD/79iPP/2Q=="
)


def dataset(stored: np.ndarray, number: int = 1, photometric: str = "MONOCHROME2", **keywords: Any) -> Dataset:
    """An image of [H,W] or [frames,H,W] grey, or [H,W,3] colour; UIDs depend on `number` alone."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    colours = stored.shape[-1] == 3
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    ds.file_meta.ImplementationClassUID = UID(f"{ROOT}.1")
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = UID(CAPTURE)
    ds.SOPInstanceUID = UID(f"{ROOT}.2.{number}")
    ds.Modality, ds.PatientName, ds.PatientID = "CT", "Doe^J", f"P{number}"
    ds.BodyPartExamined, ds.BurnedInAnnotation = "HEAD", "NO"
    ds.SamplesPerPixel = 3 if colours else 1
    ds.PhotometricInterpretation = photometric
    if colours:
        ds.PlanarConfiguration = 0
    elif stored.ndim == 3:
        ds.NumberOfFrames = len(stored)
    ds.Rows, ds.Columns = stored.shape[:2] if colours else stored.shape[-2:]
    ds.BitsAllocated = ds.BitsStored = 8 * stored.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.add_new("PixelData", "OB" if stored.dtype.itemsize == 1 else "OW", stored.tobytes())
    for name, value in keywords.items():
        setattr(ds, name, value)
    return ds


def saved(ds: Dataset, syntax: str = EXPLICIT) -> bytes:
    """The bytes of a file in an uncompressed syntax."""
    from pydicom.uid import UID

    if syntax == BIG_ENDIAN and ds.BitsAllocated == 16:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def with_frames(ds: Dataset, syntax: str, *frames: bytes) -> bytes:
    """A file with compressed frames as they are."""
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.add_new("PixelData", "OB", encapsulate(list(frames)))
    ds["PixelData"].is_undefined_length = True
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def compressed(ds: Dataset, syntax: str, **options: Any) -> bytes:
    """A file compressed by pydicom (RLE, JPEG-LS, JPEG 2000)."""
    from pydicom.uid import UID

    ds.compress(UID(syntax), generate_instance_uid=False, **options)
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def lossless_frame(stored: np.ndarray, kind: str) -> bytes:
    """The frame of a JPEG lossless file that GDCM makes (the file around it has other UIDs in every run)."""
    import gdcm
    from pydicom import dcmread
    from pydicom.encaps import generate_frames

    with tempfile.TemporaryDirectory() as temporary:
        plain, packed = Path(temporary) / "in.dcm", Path(temporary) / "out.dcm"
        plain.write_bytes(saved(dataset(stored)))
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(plain))
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, kind)))
        written = reader.Read()
        change.SetInput(reader.GetImage())
        written = written and change.Change()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(packed))
        if not (written and writer.Write()):
            raise RuntimeError("GDCM cannot write JPEG lossless")
        return next(generate_frames(dcmread(packed).PixelData, number_of_frames=1))


def dicoms() -> dict[str, bytes]:
    """Transfer syntaxes, photometric interpretations, look-up tables, several frames, and files that lack something."""
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

    g, c = grey(32, COLUMNS), colour()
    deep, signed = g.astype(np.uint16) * 16, (g.astype(np.int16) - 100) * 8
    frames = np.stack([g.astype(np.uint16) * 9 + i for i in range(3)])
    window: dict[str, Any] = {
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "WindowCenter": [40, 300],
        "WindowWidth": [400, 1500],
    }
    ramp = np.linspace(0, 65535, 256).astype("<u2")

    def lut(first: int, entries: np.ndarray) -> list[Dataset]:
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [len(entries), first, 16])
        item.add_new("LUTData", "OW", entries.tobytes())
        return [item]

    def palette(ds: Dataset) -> Dataset:
        for name in ("Red", "Green", "Blue"):
            ds.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
            ds.add_new(f"{name}PaletteColorLookupTableData", "OW", ramp.tobytes())
        return ds

    def enhanced(stored: np.ndarray) -> Dataset:
        ds = dataset(stored, 20)
        ds.SOPClassUID = UID(ENHANCED_CT)
        groups = []
        for i in range(len(stored)):
            transform, voi, group = Dataset(), Dataset(), Dataset()
            transform.RescaleSlope, transform.RescaleIntercept = 1 + i, -10
            voi.WindowCenter, voi.WindowWidth = 900, 1000 + i
            group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [transform], [voi]
            groups.append(group)
        ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = groups[:1], groups
        return ds

    def floating() -> Dataset:
        ds = dataset(deep, 21)
        del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
        ds.BitsAllocated = 32
        ds.add_new("FloatPixelData", "OF", (g.astype("<f4") / 3).tobytes())
        return ds

    def without(ds: Dataset, *names: str) -> bytes:
        for name in names:
            del ds[name]
        return saved(ds)

    def report() -> bytes:
        ds = dataset(g, 22)
        ds.SOPClassUID = UID(REPORT)
        return without(ds, "PixelData")

    twelve = dataset(np.zeros(SMALL, np.uint16), 23)
    twelve.BitsStored, twelve.HighBit = 12, 11
    bare = saved(dataset(deep, 24), IMPLICIT)[132:]
    return {
        "explicit": saved(dataset(signed, 1, **window)), "implicit": saved(dataset(deep, 2, "MONOCHROME1"), IMPLICIT),
        "big-endian": saved(dataset(deep, 3, **window), BIG_ENDIAN), "deflated": saved(dataset(deep, 4), DEFLATED),
        "byte": saved(dataset(g, 5, WindowCenter=128, WindowWidth=100, VOILUTFunction="SIGMOID")),
        "rgb": saved(dataset(c, 6, "RGB")), "ybr": saved(dataset(c, 7, "YBR_FULL")),
        "palette": saved(palette(dataset(g, 8, "PALETTE COLOR"))),
        "voi-lut": saved(dataset(deep, 9, VOILUTSequence=lut(0, ramp))),
        "modality-lut": saved(dataset(g, 10, ModalityLUTSequence=lut(0, ramp))),
        "padded": saved(dataset(signed, 11, PixelPaddingValue=-800, PixelPaddingRangeLimit=-700, **window)),
        "frames": saved(dataset(frames, 12)), "enhanced": saved(enhanced(frames)), "float": saved(floating()),
        "rle": compressed(dataset(deep, 13, **window), RLE), "rle-rgb": compressed(dataset(c, 14, "RGB"), RLE),
        "rle-frames": compressed(dataset(frames, 15), RLE),
        "jpeg": with_frames(dataset(grey(), 16), BASELINE, encoded(grey(), "JPEG")),
        "jpeg-ybr": with_frames(dataset(c, 17, "YBR_FULL_422"), BASELINE, encoded(c, "JPEG")),
        "jpeg-extended": with_frames(twelve, EXTENDED, EXTENDED_FRAME),
        "jpeg-lossless": with_frames(dataset(deep, 25), LOSSLESS_1, lossless_frame(deep, "JPEGLosslessProcess14_1")),
        "jpeg-lossless57": with_frames(dataset(g, 26), LOSSLESS, lossless_frame(g, "JPEGLosslessProcess14")),
        "jpeg-ls": compressed(dataset(deep, 27), JPEG_LS),
        "jpeg-ls-near": compressed(dataset(g, 28), JPEG_LS_NEAR, jls_error=2),
        "j2k": compressed(dataset(deep, 29), J2K), "j2k-lossy": compressed(dataset(g, 30), J2K_LOSSY, j2k_cr=[10]),
        "j2k-frames": compressed(dataset(frames, 31), J2K),
        "htj2k": with_frames(dataset(np.zeros(SMALL, np.uint16), 32), HTJ2K, HTJ2K_FRAME),
        "no-patient": without(dataset(g, 33), "PatientID"),
        "no-window-width": saved(dataset(deep, 34, WindowCenter=40)), "no-size": without(dataset(g, 35), "Rows"),
        "no-preamble": bare, "report": report(),
    }  # fmt: skip


def nifti(array: np.ndarray, affine: np.ndarray | None = None, version: int = 1, **fields: Any) -> bytes:
    """The bytes of a volume [right, front, up]; `fields` are written into its header as they are."""
    import nibabel

    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(array, np.eye(4) if affine is None else affine)
    data = bytearray(image.to_bytes())
    header = kind.header_class(bytes(data[: len(image.header.binaryblock)]), check=False)
    for name, value in fields.items():
        header.structarr[name] = value
    data[: len(header.binaryblock)] = header.binaryblock
    return bytes(data)


def niftis() -> dict[str, bytes]:
    """Types, scalings, orientations, versions, byte order, colour, flat files; gzip where the name says so."""
    import nibabel

    rng = np.random.default_rng(0)
    base = (np.add.outer(np.add.outer(np.arange(12) * 20, np.arange(14) * 9), np.arange(10) * 30)).astype(np.int16)
    noisy = base + rng.integers(0, 50, base.shape).astype(np.int16)
    tilted = np.array([[0, 1.1, 0.1, 3], [-0.9, 0, 0, 2], [0, 0.2, 2, -9], [0, 0, 0, 1]])
    rgb = np.zeros((10, 12, 9), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for i, name in enumerate("RGB"):
        rgb[name] = rng.integers(0, 255, rgb.shape) // (i + 1)
    real = noisy.astype(np.float32) / 7
    holed = real.copy()
    holed[3, 4, 5] = np.nan
    order = nibabel.Nifti1Header(endianness=">")
    order.set_data_dtype(">i2")
    swapped = nibabel.Nifti1Image(noisy, np.eye(4), order).to_bytes()
    files = {
        "int16.nii": nifti(noisy),
        "scaled.nii": nifti(noisy, scl_slope=2.5, scl_inter=-1000),
        "tilted.nii": nifti(noisy, tilted),
        "uint8.nii": nifti((noisy // 8).astype(np.uint8)),
        "float.nii": nifti(real),
        "double.nii": nifti(real.astype(np.float64)),
        "holed.nii": nifti(holed),
        "rgb.nii": nifti(rgb),
        "flat.nii": nifti(noisy[:, :, 3]),
        "one-slice.nii": nifti(noisy[:, :, :1]),
        "series.nii": nifti(np.stack([noisy, noisy], axis=3)),
        "one-volume.nii": nifti(noisy[..., None]),
        "version2.nii": nifti(noisy, version=2),
        "swapped.nii": swapped,
        "empty.nii": nifti(np.zeros((9, 9, 9), np.int16)),
        "unscaled.nii": nifti(noisy, scl_slope=np.nan),
    }
    packed = {
        f"{name}.gz": gzip.compress(files[name], mtime=0)
        for name in ("int16.nii", "float.nii", "rgb.nii", "tilted.nii")
    }
    return files | packed
