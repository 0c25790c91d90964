"""A phantom's image as a DICOM object: CT, MR or DX, explicit VR little endian, no date or name of the moment."""

from __future__ import annotations

import hashlib
import uuid
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from .volume import SLICE_MM, spacing_mm

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

MAKER = "unpersonal phantom"
CHEST_FIELD_MM = 400.0
# Units of the drawing -> stored values: (factor, offset, bits stored); the rescale intercept of CT is -offset.
STORED = {"cxr": (65535.0, 0.0, 16), "ct": (1.0, 1024.0, 12), "mri": (1.0, 0.0, 12)}
CENTRE_WIDTH = {"cxr": ("32768", "65536"), "ct": ("40", "80"), "mri": ("450", "900")}


def dicom_bytes(image: np.ndarray, modality: str, subject: str, visit: int, label: str, seed: int) -> bytes:
    """The file of `image` float [size, size] in the units of `modality` ("cxr", "ct", "mri").

    PatientID is `subject`; UIDs follow from the arguments (the instance's also from the pixels), the date from the
    number of the visit, so that equal arguments give equal bytes. Values beyond the bits stored are clipped.
    """
    from pydicom import dcmwrite
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    factor, offset, bits = STORED[modality]
    stored = np.rint(image.astype(np.float64) * factor + offset).clip(0, 2**bits - 1).astype("<u2")
    named = (modality, str(seed), subject, str(visit), str(image.shape[-1]))
    dataset = Dataset()
    _add_common(dataset, subject, visit, label, named, hashlib.sha256(stored.tobytes()).hexdigest())
    {"cxr": _add_dx, "ct": _add_ct, "mri": _add_mr}[modality](dataset, image.shape[-1], named)
    _add_pixels(dataset, stored, bits, CENTRE_WIDTH[modality])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = stable_uid("implementation")
    dataset.file_meta.ImplementationVersionName = "UNPERSONAL"
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def stable_uid(*parts: str) -> UID:
    """A UID under 2.25 (the arc of UUIDs) that follows from `parts` alone."""
    from pydicom.uid import UID

    digest = hashlib.sha256("\x1f".join(("unpersonal", *parts)).encode()).digest()
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def _add_common(d: Dataset, subject: str, visit: int, label: str, named: tuple[str, ...], pixels: str) -> None:
    """Patient, study, series, equipment and instance; every date is fixed."""
    d.SpecificCharacterSet = "ISO_IR 192"
    d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = "", subject, "", "O"
    d.PatientIdentityRemoved, d.DeidentificationMethod = "YES", "Procedural phantom; there is no person"
    d.StudyInstanceUID = stable_uid("study", *named)
    d.StudyID, d.AccessionNumber, d.ReferringPhysicianName = str(visit), "", ""
    d.StudyDate = d.SeriesDate = d.AcquisitionDate = d.ContentDate = f"2020{1 + visit % 12:02d}01"
    d.StudyTime = d.SeriesTime = d.AcquisitionTime = d.ContentTime = "120000"
    d.StudyDescription = label
    d.SeriesInstanceUID, d.SeriesNumber, d.InstanceNumber = stable_uid("series", *named), 1, 1
    d.SOPInstanceUID = stable_uid("instance", *named, pixels)
    d.Manufacturer = d.ManufacturerModelName = MAKER
    d.BurnedInAnnotation, d.LossyImageCompression = "NO", "00"


def _add_pixels(d: Dataset, stored: np.ndarray, bits: int, centre_width: tuple[str, str]) -> None:
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.Rows, d.Columns = stored.shape
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, bits, bits - 1, 0
    d.WindowCenter, d.WindowWidth = centre_width
    d.PixelData = stored.tobytes()


def _add_plane(d: Dataset, size: int, named: tuple[str, ...]) -> None:
    """An axial plane of a supine patient: rows run to the patient's left, columns to the back."""
    spacing = spacing_mm(size)
    corner = -0.5 * spacing * (size - 1)
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = stable_uid("frame", *named), ""
    d.PatientPosition, d.BodyPartExamined = "HFS", "HEAD"
    d.PixelSpacing = [f"{spacing:.6f}"] * 2
    d.SliceThickness = f"{SLICE_MM:g}"
    d.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    d.ImagePositionPatient = [f"{corner:.5f}", f"{corner:.5f}", "0"]
    d.AcquisitionNumber = 1


def _add_ct(d: Dataset, size: int, named: tuple[str, ...]) -> None:
    from pydicom.uid import CTImageStorage

    _add_plane(d, size, named)
    d.SOPClassUID, d.Modality, d.ImageType = CTImageStorage, "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    d.KVP = "120"
    d.RescaleSlope, d.RescaleIntercept, d.RescaleType = "1", "-1024", "HU"


def _add_mr(d: Dataset, size: int, named: tuple[str, ...]) -> None:
    from pydicom.uid import MRImageStorage

    _add_plane(d, size, named)
    d.SOPClassUID, d.Modality, d.ImageType = MRImageStorage, "MR", ["ORIGINAL", "PRIMARY", "M", "SE"]
    d.ScanningSequence, d.SequenceVariant, d.ScanOptions, d.MRAcquisitionType = "SE", "NONE", "", "2D"
    d.RepetitionTime, d.EchoTime, d.EchoTrainLength = "500", "10", 1


def _add_dx(d: Dataset, size: int, named: tuple[str, ...]) -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence
    from pydicom.uid import DigitalXRayImageStorageForPresentation

    region, view = Dataset(), Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "43799004", "SCT", "Chest"
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "272479007", "SCT", "postero-anterior"
    d.SOPClassUID, d.Modality = DigitalXRayImageStorageForPresentation, "DX"
    d.ImageType, d.PresentationIntentType = ["ORIGINAL", "PRIMARY", ""], "FOR PRESENTATION"
    d.BodyPartExamined, d.ViewPosition, d.PatientOrientation, d.ImageLaterality = "CHEST", "PA", ["L", "F"], "U"
    d.AnatomicRegionSequence, d.ViewCodeSequence = Sequence([region]), Sequence([view])
    d.AcquisitionContextSequence = Sequence([])
    d.DetectorType, d.PositionerType = "DIRECT", "NONE"
    d.ImagerPixelSpacing = [f"{CHEST_FIELD_MM / size:.6f}"] * 2
    d.PixelIntensityRelationship, d.PixelIntensityRelationshipSign = "LOG", -1
    d.PresentationLUTShape = "IDENTITY"
    d.RescaleSlope, d.RescaleIntercept, d.RescaleType = "1", "0", "US"
