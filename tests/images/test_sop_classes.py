"""Which DICOM objects are pictures: storage classes and modalities by the standard's own list of them."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID_dictionary

from unpersonal.images.dicom import decode_dicom, read_header
from unpersonal.images.picture import DecodeOptions, ImageError
from unpersonal.images.sop_classes import STORAGE, no_picture, sort_of

from .dicom_files import dataset, noise, saved

STORED = {uid: name for uid, (name, kind, *_) in UID_dictionary.items() if kind == "SOP Class" and "Storage" in name}
PICTURE = ("Image Storage", "Image Storage - For", "Photography", "Multi-frame", "Slide Coordinates")


@pytest.mark.parametrize("uid", [uid for uid, name in STORED.items() if uid.startswith(STORAGE)])
def test_every_storage_class_of_the_standard_is_a_picture_by_its_name_or_is_none(uid):
    name = STORED[uid]
    # maps and masks are images to the standard, hard copies are what a printer was sent
    if name.startswith(("Hardcopy", "Raw")) or "(Retired)" in name or "Trial" in name:
        return
    kind = no_picture([uid], "")
    if kind is None:
        assert any(word in name for word in ("Image", "Photography", "Tomography", "Video", "Volume", "AIT"))
    else:
        assert "Image Storage" not in name


@pytest.mark.parametrize(
    "name",
    [
        "RTDoseStorage", "RTStructureSetStorage", "RTPlanStorage", "SegmentationStorage", "ParametricMapStorage",
        "GrayscaleSoftcopyPresentationStateStorage", "EncapsulatedPDFStorage", "TwelveLeadECGWaveformStorage",
        "SpatialRegistrationStorage", "KeyObjectSelectionDocumentStorage", "RawDataStorage", "ComprehensiveSRStorage",
        "RealWorldValueMappingStorage", "SurfaceSegmentationStorage", "XRayRadiationDoseSRStorage",
        "MRSpectroscopyStorage", "RTBeamsTreatmentRecordStorage", "EncapsulatedSTLStorage",
    ],
)  # fmt: skip
def test_an_object_that_is_no_picture_is_refused_whatever_pixels_it_holds(name):
    uid = getattr(pydicom.uid, name)
    for modality in ("OT", "CT"):
        ds = dataset(noise(0, 255, np.uint8), SOPClassUID=uid, Modality=modality)
        for read in (lambda data: read_header(data), lambda data: decode_dicom(data, [""], DecodeOptions())):
            with pytest.raises(ImageError) as error:
                read(saved(ds))
            assert error.value.reason == "no-pixels"
            assert error.value.detail.startswith("no image: ")


@pytest.mark.parametrize("modality", ["SEG", "RTDOSE", "SR", "PR", "KO", "DOC", "REG", "rtstruct"])
def test_without_a_class_the_modality_decides(modality):
    ds = dataset(noise(0, 255, np.uint8), Modality=modality)
    del ds.SOPClassUID
    ds.file_meta.MediaStorageSOPClassUID = "1.2.3"
    with pytest.raises(ImageError) as error:
        read_header(saved(ds))
    assert error.value.reason == "no-pixels"


def test_a_mask_of_one_bit_is_no_picture_by_its_class():
    ds = dataset(noise(0, 1, np.uint8), SOPClassUID=pydicom.uid.SegmentationStorage, Modality="SEG")
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    with pytest.raises(ImageError) as error:
        read_header(saved(ds))
    assert error.value.reason == "no-pixels"


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.5.1.4.1.1.481.1", "1.2.840.10008.5.1.4.1.1.2", "1.3.46.670589.11.0", ""]
)
def test_pictures_and_unknown_classes_are_pictures(uid):
    assert no_picture([uid], "RTIMAGE") is None


@pytest.mark.parametrize(
    ("values", "modality", "series", "sort"),
    [
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], "CT", "", "localizer"),
        (["ORIGINAL", "PRIMARY", "AXIAL"], "CT", "Topogram 0.6", "localizer"),
        (["ORIGINAL", "PRIMARY", "M"], "MR", "3-plane loc", "localizer"),
        (["DERIVED", "SECONDARY", "MPR"], "CT", "", "derived"),
        (["DERIVED", "PRIMARY", "AXIAL"], "MR", "ADC", "derived"),
        (["DERIVED", "PRIMARY"], "DX", "", ""),
        (["ORIGINAL", "PRIMARY"], "CT", "Local tumour", ""),
        ([], "CT", "", ""),
    ],
)
def test_what_was_not_acquired_as_it_is_has_a_sort(values, modality, series, sort):
    uid = str(pydicom.uid.CTImageStorage)
    assert sort_of(uid, modality, values, series) == sort
    for capture in (
        pydicom.uid.SecondaryCaptureImageStorage,
        pydicom.uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    ):
        assert sort_of(str(capture), modality, [], "") == "secondary-capture"
