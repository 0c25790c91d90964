"""DICOM exports: pydicom and MONAI read the same pixels, and dciodvfy has nothing to object."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from unpersonal.release.export.dicom import FORM, uid
from unpersonal.release.exports import Content

DCIODVFY = shutil.which("dciodvfy")
STANDARD = os.environ.get("UNPERSONAL_DICOM_STANDARD")
"""Folder with the DICOM standard, as dicom-validator downloads it: no wheel holds it."""
NEWER_THAN_IT = "(0x0008,0x001c)"
"""Synthetic Data came into the standard in 2023; Debian 12 has the dciodvfy of 2022, which knows no such attribute."""


def written(content: Content, out: Path) -> list[pydicom.FileDataset]:
    out.mkdir()
    FORM.write(content, out)
    return [pydicom.dcmread(path) for path in sorted((out / "images").iterdir())]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_come_back(make_content: Callable[..., Content], tmp_path: Path, channels: int) -> None:
    content = make_content(channels)
    for image, found in zip(content.images, written(content, tmp_path / "out"), strict=True):
        assert np.array_equal(found.pixel_array, image.pixels())
        assert found.PhotometricInterpretation == ("MONOCHROME2" if channels == 1 else "RGB")


def test_each_says_that_it_is_synthetic_and_whose_it_is_not(
    make_content: Callable[..., Content], tmp_path: Path
) -> None:
    for found in written(make_content(), tmp_path / "out"):
        assert found.SyntheticData == "YES" and found.ConversionType == "SYN"
        assert list(found.ImageType) == ["DERIVED", "SECONDARY"]
        assert (found.PatientName, found.PatientID) == ("Synthetic^Image", "SYNTHETIC")
        dates = [element for element in found.iterall() if element.VR in ("DA", "TM", "DT")]
        assert dates and not any(element.value for element in dates)
        assert not found.PatientBirthDate and not found.PatientSex


def test_uids_are_fresh_and_those_of_the_content(make_content: Callable[..., Content], tmp_path: Path) -> None:
    first = written(make_content(), tmp_path / "a")
    again = written(make_content(), tmp_path / "b")
    other = written(make_content(manifest="cd" * 32), tmp_path / "c")
    names = [found.SOPInstanceUID for found in first]
    assert len(set(names)) == len(names) == 3
    assert names == [found.SOPInstanceUID for found in again]
    assert not set(names) & {found.SOPInstanceUID for found in other}
    for found in first:
        for value in (found.SOPInstanceUID, found.StudyInstanceUID, found.SeriesInstanceUID):
            assert value.is_valid and value.startswith("2.25.") and int(value[5:]) < 2**128
    assert len({found.StudyInstanceUID for found in first}) == 1
    assert uid("a", "b") != uid("ab")


def test_labels_stand_in_the_header_and_beside(make_content: Callable[..., Content], tmp_path: Path) -> None:
    content = make_content(labels=(("a", "ü"), (), ("b",)), soft=True)
    found = written(content, tmp_path / "out")
    assert [str(each.ImageComments or "") for each in found] == ["a|ü", "", "b"]
    rows = list(csv.reader((tmp_path / "out/labels.csv").read_text(encoding="utf-8").splitlines()))
    assert rows == [["file", "label"], *([f"img-00000{n}.dcm", label] for n, label in ((1, "a|ü"), (2, ""), (3, "b")))]
    rows = list(csv.reader((tmp_path / "out/probabilities.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[:2] == [["file", "effusion", "normal"], ["img-000001.dcm", "0.250", "0.750"]]


def test_monai_reads_them(make_content: Callable[..., Content], tmp_path: Path) -> None:
    from monai.data.image_reader import PydicomReader

    content = make_content()
    written(content, tmp_path / "out")
    reader = PydicomReader()
    for image in content.images:
        array, _ = reader.get_data(reader.read(tmp_path / "out/images" / f"{image.stem}.dcm"))
        assert np.array_equal(np.squeeze(array).T, image.pixels())


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy is not installed: apt-get install dicom3tools")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("modality", ["OT", "DX", "CT", "MR", "US", "MG"])
def test_dciodvfy_finds_no_error(
    make_content: Callable[..., Content], tmp_path: Path, channels: int, modality: str
) -> None:
    content = make_content(channels)
    written(Content(content.images, content.classes, content.manifest_sha256, modality), tmp_path / "out")
    path = tmp_path / "out/images/img-000001.dcm"
    done = subprocess.run([str(DCIODVFY), str(path)], capture_output=True, text=True, check=False)
    told = done.stderr + done.stdout
    assert "SCImage" in told
    assert not [line for line in told.splitlines() if "Error" in line and NEWER_THAN_IT not in line]


@pytest.mark.skipif(STANDARD is None, reason="UNPERSONAL_DICOM_STANDARD names no folder that dicom-validator filled")
@pytest.mark.parametrize("channels", [1, 3])
def test_dicom_validator_finds_no_error(make_content: Callable[..., Content], tmp_path: Path, channels: int) -> None:
    written(make_content(channels), tmp_path / "out")
    words = ["-m", "dicom_validator.validate_iods", "-src", str(STANDARD), "--suppress-vr-warnings"]
    command = [sys.executable, *words, str(tmp_path / "out/images")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
