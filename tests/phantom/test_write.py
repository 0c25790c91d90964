"""Phantoms on disk: PNG, DICOM and NIfTI that other programs read, the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from typer.testing import CliRunner

from unpersonal.cli import app
from unpersonal.core.errors import InputError
from unpersonal.layouts.config import CohortConfig
from unpersonal.phantom import (
    CLASSES,
    draw_subjects,
    draw_visits,
    get_modality,
    phantom_cohort,
    render_raw,
    write_phantom,
)
from unpersonal.phantom.volume import SLICE_MM, render_volume, spacing_mm
from unpersonal.phantom.write import FORMATS, init_command

COMBINATIONS = [(modality, fmt) for modality, formats in FORMATS.items() for fmt in formats]
SUFFIX = {"png": ".png", "dicom": ".dcm", "nifti": ".nii.gz"}


def files_of(folder: Path) -> dict[str, str]:
    """Path relative to `folder` -> SHA-256, of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def people_and_visits(modality: str, subjects: int, seed: int):
    people = draw_subjects(subjects, seed=seed, modality=modality)
    return people, draw_visits(people)


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "fmt"), COMBINATIONS)
def test_one_file_a_visit_and_the_same_bytes_again(tmp_path, modality, fmt):
    count = write_phantom(tmp_path / "a", 9, seed=2, size=32, modality=modality, fmt=fmt, slices=3)
    assert count == write_phantom(tmp_path / "b", 9, seed=2, size=32, modality=modality, fmt=fmt, slices=3)
    first, second = files_of(tmp_path / "a"), files_of(tmp_path / "b")
    assert first == second
    images = [path for path in first if path.endswith(SUFFIX[fmt])]
    people, visits = people_and_visits(modality, 9, 2)
    assert len(images) == count == len(visits) and len({first[path] for path in images}) == count
    held = Counter(next(part for part in path.replace("_", "/").split("/") if part[:4] == "sub-") for path in images)
    assert held == Counter(people.ids[row] for row in visits[:, 0])
    other = tmp_path / "c"
    write_phantom(other, 9, seed=3, size=32, modality=modality, fmt=fmt, slices=3)
    assert not set(files_of(other).values()) & {first[path] for path in images}


@pytest.mark.parametrize("modality", list(FORMATS))
def test_png_holds_the_pixels_of_the_cohort(tmp_path, modality):
    write_phantom(tmp_path / "out", 9, seed=2, size=32, modality=modality, fmt="png")
    images, subjects, labels = phantom_cohort(9, 2, 32, modality=modality)
    number: Counter[str] = Counter()
    for image, subject, label in zip(images, subjects, labels, strict=True):
        read = np.asarray(Image.open(tmp_path / "out" / label / f"{subject}_{number[subject]}.png"))
        np.testing.assert_array_equal(read, image[0])
        number[subject] += 1
    folders = {path.name for path in (tmp_path / "out").iterdir()}
    assert folders == set(get_modality(modality).classes)


def validate(dataset: pydicom.Dataset) -> None:
    """Raise where an element's text breaks the rules of its value representation."""
    for element in [*dataset.file_meta, *dataset.iterall()]:
        if element.VR in ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI"):
            for value in element.value if element.VM > 1 else [element.value]:
                pydicom.valuerep.validate_value(element.VR, str(value or ""), pydicom.config.RAISE)


def test_the_check_of_the_next_test_can_fail():
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.add(pydicom.DataElement("StudyDate", "DA", "2020x101", validation_mode=pydicom.config.IGNORE))
    with pytest.raises(ValueError, match="DA"):
        validate(dataset)


@pytest.mark.parametrize("modality", list(FORMATS))
def test_dicom_is_valid_and_says_who_and_what(tmp_path, modality):
    write_phantom(tmp_path / "out", 8, seed=4, size=48, modality=modality, fmt="dicom")
    people, visits = people_and_visits(modality, 8, 4)
    raw = render_raw(people, visits, 48)
    factor, bits = {"cxr": (65535, 16), "ct": (1, 12), "mri": (1, 12)}[modality]
    low, high = get_modality(modality).window
    uids = set()
    for (row, number), values in zip(visits, raw, strict=True):
        path = tmp_path / "out" / people.labels[row] / f"{people.ids[row]}_{number}.dcm"
        dataset = pydicom.dcmread(path)
        validate(dataset)
        assert path.read_bytes()[128:132] == b"DICM"
        assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.SOPClassUID.name.startswith({"cxr": "Digital X-Ray", "ct": "CT", "mri": "MR"}[modality])
        assert dataset.Modality == {"cxr": "DX", "ct": "CT", "mri": "MR"}[modality]
        assert dataset.PatientID == people.ids[row] and dataset.PatientName == "" and dataset.BurnedInAnnotation == "NO"
        assert dataset.PhotometricInterpretation == "MONOCHROME2" and dataset.pixel_array.shape == (48, 48)
        assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (16, bits, bits - 1)
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        read = dataset.pixel_array * slope + intercept
        limits = (intercept, (2**bits - 1) * slope + intercept)
        np.testing.assert_allclose(read, (values * factor).clip(*limits), atol=0.51)
        shown = pydicom.pixels.apply_windowing(read, dataset)
        black, white = limits
        expected = black + (white - black) * ((values - low) / (high - low)).clip(0, 1)
        np.testing.assert_allclose(shown, expected, atol=0.02 * (white - black))
        uids.add((dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID))
    flat = [uid for triple in uids for uid in triple]
    assert len(set(flat)) == 3 * len(visits) and all(pydicom.uid.UID(uid).is_valid and len(uid) <= 64 for uid in flat)


def test_hounsfield_units_survive_the_file(tmp_path):
    write_phantom(tmp_path / "out", 12, seed=1, size=64, modality="ct", findings=["No Finding"])
    for path in (tmp_path / "out").rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        values = pydicom.pixels.apply_rescale(dataset.pixel_array, dataset)
        middle = values[24:42, 24:40]
        assert abs(np.median(values[:4]) + 1000) < 5 and np.percentile(values, 96) > 700
        assert np.percentile(middle, 2) < 18 and 22 < np.median(middle) < 45


@pytest.mark.parametrize(("modality", "name"), [("ct", "ct/{}_ct.nii.gz"), ("mri", "anat/{}_T1w.nii.gz")])
def test_nifti_is_bids_with_axes_to_the_right_front_and_top(tmp_path, modality, name):
    root = tmp_path / "out"
    write_phantom(root, 6, seed=4, size=40, modality=modality, fmt="nifti", slices=5)
    people, visits = people_and_visits(modality, 6, 4)
    volumes = render_volume(people, visits, 40, 5)
    for (row, number), volume in zip(visits, volumes, strict=True):
        stem = f"{people.ids[row]}_ses-{number}"
        image = nibabel.load(root / people.ids[row] / f"ses-{number}" / name.format(stem))
        assert image.shape == (40, 40, 5) and image.get_data_dtype() == np.int16
        assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
        np.testing.assert_allclose(image.header.get_zooms(), (spacing_mm(40), spacing_mm(40), SLICE_MM), rtol=1e-6)
        assert image.header.get_xyzt_units()[0] == "mm"
        np.testing.assert_allclose(image.affine @ [19.5, 19.5, 2, 1], [0, 0, 0, 1], atol=1e-4)
        data = np.asarray(image.dataobj)
        # a radiologist sees the front on top and the patient's right on the left
        for z in range(5):
            np.testing.assert_allclose(data[::-1, ::-1, z].T, volume[z], atol=0.51)
    rows = [line.split("\t") for line in (root / "participants.tsv").read_text().splitlines()]
    assert rows[0] == ["participant_id", "diagnosis"]
    assert rows[1:] == [list(pair) for pair in zip(people.ids, people.labels, strict=True)]
    assert json.loads((root / "dataset_description.json").read_text())["BIDSVersion"]


def test_usual_formats_and_chosen_findings(tmp_path):
    for modality, fmt in (("cxr", "png"), ("ct", "dicom"), ("mri", "nifti")):
        write_phantom(tmp_path / modality, 3, seed=0, size=32, modality=modality)
        assert any(path.endswith(SUFFIX[fmt]) for path in files_of(tmp_path / modality))
    write_phantom(tmp_path / "two", 4, seed=0, size=32, modality="ct", findings=["Infarct", "No Finding"])
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"Infarct", "No Finding"}


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"fmt": "nifti"}, "not written as nifti"),
        ({"fmt": "tiff"}, "no format 'tiff'"),
        ({"modality": "pet"}, "modality 'pet'"),
        ({"modality": "ct", "findings": ["Fracture"]}, "Fracture"),
        ({"modality": "mri", "slices": 0}, "slices"),
        ({"subjects": 0}, "at least one subject"),
        ({"size": 16}, "at least 32"),
    ],
)
def test_what_makes_no_sense_is_an_input_error_and_leaves_nothing(tmp_path, wrong, match):
    given = {"subjects": 3, "seed": 0, "size": 32, **wrong}
    with pytest.raises(InputError, match=match):
        write_phantom(tmp_path / "out", **given)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_and_a_place_that_cannot_be_are_refused(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(InputError, match="exists"):
        write_phantom(tmp_path, 3, seed=0, size=32, modality="mri")
    with pytest.raises(InputError, match="cannot be written"):
        write_phantom(tmp_path / "kept.txt" / "in", 3, seed=0, size=32, modality="ct")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_failure_leaves_no_folder(tmp_path, monkeypatch):
    def fail(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unpersonal.phantom.write.dicom_bytes", fail)
    with pytest.raises(InputError, match="no room left"):
        write_phantom(tmp_path / "out", 3, seed=0, size=32, modality="ct")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "fmt"), COMBINATIONS)
def test_command_prints_the_line_that_reads_it(tmp_path, modality, fmt):
    folder = tmp_path / "two words"
    options = ["--subjects", "5", "--size", "32", "--seed", "1", "--modality", modality, "--format", fmt]
    result = CliRunner().invoke(app, ["phantom", str(folder), *options])
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if line.startswith("unpersonal init"))
    assert line == init_command(folder, modality, fmt)
    words = shlex.split(line)
    given = {words[i][2:].replace("-", "_"): words[i + 1] for i in range(3, len(words), 2)}
    config = CohortConfig(**given)
    assert Path(config.images) == folder and config.layout == {"png": "folder"}.get(fmt, fmt)
    assert (config.subject is None) == (fmt == "dicom")
    assert config.label_from == ("participants:diagnosis" if fmt == "nifti" else "folder")


@pytest.mark.parametrize("options", [["--modality", "pet"], ["--format", "tiff"], ["--format", "nifti"]])
def test_command_refuses_with_a_readable_message(tmp_path, options):
    result = CliRunner().invoke(app, ["phantom", str(tmp_path / "x"), "--subjects", "3", *options])
    assert result.exit_code == 2 and "unpersonal: " in result.stderr and "To mend it" in result.stderr
    assert "Traceback" not in result.output and list(tmp_path.iterdir()) == []


def test_written_folder_holds_the_same_pixels(tmp_path):
    folder = tmp_path / "phantom"
    count = write_phantom(folder, 9, seed=2, size=32)
    images, subjects, labels = phantom_cohort(9, 2, 32)
    files = sorted(folder.rglob("*.png"))
    assert len(files) == count == len(images)
    assert {file.parent.name for file in files} == set(CLASSES)
    number: dict[str, int] = {}
    for image, subject, label in zip(images, subjects, labels, strict=True):
        k = number[subject] = number.get(subject, -1) + 1
        np.testing.assert_array_equal(np.asarray(Image.open(folder / label / f"{subject}_{k}.png")), image[0])


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(InputError, match="exists"):
        write_phantom(tmp_path, 3, seed=0, size=32)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]
