"""Folders and zips of NIfTI volumes, BIDS or not."""

from __future__ import annotations

import gzip
import zipfile

import nibabel
import numpy as np
import pytest

from unpersonal.core.errors import InputError
from unpersonal.images.archives import open_archive
from unpersonal.images.formats import decode_pictures
from unpersonal.images.picture import NOTES, DecodeOptions, ImageError, split_name
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.known.nifti import read_nifti

from ...images.nifti_files import saved, voxels
from ...journeys.cohort_cases import (
    refused as init_refused,
)
from ...journeys.cohort_cases import (
    try_init,
    write_files,
)


def volume() -> bytes:

    values = np.random.default_rng(0).integers(0, 99, (9, 9, 9)).astype(np.int16)
    return gzip.compress(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())


def test_bids_offers_the_columns_of_participants(tmp_path):
    files = {f"sub-{i:02d}/anat/sub-{i:02d}_PDw.nii.gz": volume() for i in range(3)}
    rows = [f"sub-{i:02d}\t{40 + i}\t{'ill' if i else 'well'}" for i in range(3)]
    files["participants.tsv"] = "\n".join(["participant_id\tage\tdiagnosis", *rows]).encode()
    images = write_files(tmp_path / "bids", files)
    init_refused(try_init(tmp_path / "s", images), "'anat'", "age, diagnosis", "--label-from participants:diagnosis")


def listing(path, **config):
    return read_nifti(CohortConfig(images=str(path), layout="nifti", **config), path, open_archive(path))


def tree(root, files: dict[str, bytes | str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)


def test_a_bids_tree_loses_nothing(tmp_path):
    volume = saved(voxels("u1"), packed=True)
    files = {
        "participants.tsv": "participant_id\tgroup\nsub-01\tpatient\n02\tcontrol\nsub-03\tn/a\n",
        "dataset_description.json": "{}",
        "sub-01/anat/sub-01_T1w.nii.gz": volume,
        "sub-01/anat/sub-01_dwi.nii": saved(voxels("u1", (9, 9, 9, 3))),
        "sub-02/anat/sub-02_PD.nii": saved(voxels("u1")),
        "sub-03/anat/sub-03_T1w.nii.gz": volume,
        "sub-04/anat/sub-04_FLAIR.nii.gz": volume,
        "sub-05/anat/sub-05_T1w.nii.gz": volume[:50],
        "sub-06/anat/sub-06_T1w.nii.gz": b"",
        "sub-07/anat/sub-07_T1w.hdr": b"x",
        "sub-07/anat/sub-07_T1w.img": b"x",
        "derivatives/masks/sub-02/anat/sub-02_mask.nii.gz": volume,
        "sub-02/photo.png": b"x",
        ".git/annex/sub-09_T1w.nii.gz": volume,
    }
    tree(tmp_path / "in", files)
    found = listing(tmp_path / "in", label_from="participants:group", slice_range=(0.3, 0.6), slice_step=2)
    numbers = range(3, 8, 2)  # of 13 slices, those that 3.9 to 7.8 touches, every second one
    assert [(record.image, record.subject, record.labels) for record in found.records] == [
        *(
            (f"derivatives/masks/sub-02/anat/sub-02_mask.nii.gz#slice={number}", "sub-02", ("control",))
            for number in numbers
        ),
        *((f"sub-01/anat/sub-01_T1w.nii.gz#slice={number}", "sub-01", ("patient",)) for number in numbers),
        *((f"sub-02/anat/sub-02_PD.nii#slice={number}", "sub-02", ("control",)) for number in numbers),
    ]
    assert [row[:2] for row in found.refused] == [
        ("sub-01/anat/sub-01_dwi.nii", "dimensions"),
        ("sub-03/anat/sub-03_T1w.nii.gz", "no-label"),
        ("sub-04/anat/sub-04_FLAIR.nii.gz", "no-label"),
        ("sub-05/anat/sub-05_T1w.nii.gz", "unreadable"),
        ("sub-06/anat/sub-06_T1w.nii.gz", "empty"),
        ("sub-07/anat/sub-07_T1w.img", "unreadable"),
    ]
    listed = {split_name(record.image)[0] for record in found.records} | {row[0] for row in found.refused}
    assert len(listed) + found.ignored == len(files)
    assert f"1 of 3 volumes: {NOTES['head']} (by their names)." in found.notes
    assert any(note.startswith("1 volume lies in derivatives/") for note in found.notes)
    for record in found.records:  # every image that is promised can be had
        file, fragment = split_name(record.image)
        data = found.archive.open_bytes(file)
        assert not isinstance(decode_pictures(data, [fragment], DecodeOptions())[0], ImageError)


def test_a_zip_reads_like_the_folder(tmp_path):
    files = {"sick/sub-1_x.nii": saved(voxels("u1")), "well/sub-2_x.nii.gz": b"junk"}
    tree(tmp_path / "in", files)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    folder, zipped = listing(tmp_path / "in"), listing(tmp_path / "in.zip")
    assert zipped.records == folder.records and len(zipped.records) == 7  # of 13 slices, 3.25 to 9.75
    assert zipped.records[0].image == "sick/sub-1_x.nii#slice=3"
    assert zipped.refused == folder.refused and len(zipped.refused) == 1


def test_axes_and_ranges(tmp_path):
    tree(tmp_path, {"x/sub-1.nii": saved(voxels("u1")), "y/sub-2.nii": saved(voxels("u1", (12, 14)))})

    def numbers(**config) -> list[str]:
        return [split_name(record.image)[1] for record in listing(tmp_path, **config).records]

    assert numbers(slice_axis="sagittal", slice_range=(0, 1)) == [*(f"slice={number}" for number in range(9)), ""]
    assert numbers(slice_axis="coronal", slice_range=(0.5, 0.51)) == ["slice=5", ""]
    assert numbers(slice_range=(0.99, 1)) == ["slice=12", ""]


def test_subjects_and_labels_by_pattern(tmp_path):
    tree(tmp_path, {"a/p1-sick.nii": saved(voxels("u1")), "b/p2-well.nii": saved(voxels("u1"))})
    patterns = {"subject": r"(?P<subject>p\d)", "label_from": r"-(?P<label>\w+)\."}
    found = listing(tmp_path, **patterns, slice_step=100)
    assert [(record.subject, *record.labels) for record in found.records] == [("p1", "sick"), ("p2", "well")]
    with pytest.raises(InputError, match="not named after a subject"):
        listing(tmp_path)
    for bad in ({"label_from": "dicom:Modality", "subject": "file"}, {"subject": "dicom"}):
        with pytest.raises(InputError):
            listing(tmp_path, **bad)


@pytest.mark.parametrize(
    "table",
    [None, "participant_id\tage\nsub-1\t5\n", "name\tgroup\nsub-1\tx\n", "participant_id\tgroup\nsub-1\tx\n1\ty\n"],
)
def test_participants_that_cannot_give_labels_are_an_input_error(tmp_path, table):
    tree(tmp_path, {"sub-1/sub-1_T1w.nii": saved(voxels("u1"))} | ({"participants.tsv": table} if table else {}))
    with pytest.raises(InputError):
        listing(tmp_path, label_from="participants:group")


def test_a_folder_without_volumes_is_an_input_error(tmp_path):
    tree(tmp_path, {"a.txt": b"x"})
    with pytest.raises(InputError, match="no NIfTI files"):
        listing(tmp_path)
