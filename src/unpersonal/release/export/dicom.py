"""DICOM: one Secondary Capture object an image, with fresh UIDs and nobody's identity.

Secondary Capture whatever the modality: objects such as Digital X-Ray, CT or MR have to state how the picture was
acquired (kV, view, detector, spacing, position of the patient), and nothing of that ever happened. Conversion Type is
SYN, Synthetic Data is YES; Modality says only how pictures that look like these are made.
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ..exports import Content, Image, Written, write_tables

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

WHO, WHO_ID = "Synthetic^Image", "SYNTHETIC"
"""Patient's name and id: archives file by them, and there is nobody."""
TEXT = "Drawn from a generative model; shows no patient, and nothing was acquired."
HOW = (
    "`images/*.dcm` are Secondary Capture objects (Synthetic Data = YES), `labels.csv` and `metadata.csv` their labels,"
    " which also stand in Image Comments. Patient, dates and acquisition are empty: there were none."
)


def uid(*parts: str) -> str:
    """A UID below 2.25 (ISO/IEC 9834-8) from a hash of `parts`: the same for the same content, and of nobody's root."""
    digest = hashlib.sha256("\x00".join(("unpersonal", *parts)).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


class DicomForm:
    """Explicit VR little endian, uncompressed, 8 bits; images/img-000001.dcm, …"""

    def write(self, content: Content, out: Path) -> Written:
        """See `Form`."""
        (out / "images").mkdir()
        for number, image in enumerate(content.images, 1):
            _object(content, image, number).save_as(out / "images" / f"{image.stem}.dcm", enforce_file_format=True)
        write_tables(out, content, ".dcm")
        return Written(("metadata.csv",), HOW)


def _object(content: Content, image: Image, number: int) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID(uid(content.manifest_sha256, "image", image.stem, image.sha256))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(uid("implementation"))
    meta.ImplementationVersionName = "UNPERSONAL"
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.SyntheticData = "YES"
    _nobody(made, content)
    made.InstanceNumber = number
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.DerivationDescription = TEXT
    made.ImageComments = image.label
    _pixels(made, image)
    return made


def _nobody(made: Dataset, content: Content) -> None:
    """Patient, study, series and equipment: what must be there is empty, or says that nobody is meant."""
    made.PatientName, made.PatientID = WHO, WHO_ID
    made.PatientComments = TEXT
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        setattr(made, keyword, "")
    made.ReferringPhysicianName = made.PatientOrientation = made.Laterality = ""
    made.StudyInstanceUID = uid(content.manifest_sha256, "study")
    made.SeriesInstanceUID = uid(content.manifest_sha256, "series")
    made.StudyDescription = "Synthetic images"
    made.SeriesDescription = f"Release {content.manifest_sha256[:16]}"
    made.SeriesNumber = 1
    made.Modality = content.modality
    made.ConversionType = "SYN"
    made.Manufacturer = "unpersonal"


def _pixels(made: Dataset, image: Image) -> None:
    pixels = image.pixels()
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    made.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    data = pixels.tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB"


FORM = DicomForm()
