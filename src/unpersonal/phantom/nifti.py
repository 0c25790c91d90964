"""A phantom's volume as a gzipped NIfTI-1 file, and the tables that BIDS puts beside it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from io import BytesIO

import numpy as np

from .volume import SLICE_MM, spacing_mm

# Modality -> the folder and the suffix that BIDS (for CT: its extension proposal 24) gives it.
BIDS_NAME = {"ct": ("ct", "ct"), "mri": ("anat", "T1w")}


def nifti_path(modality: str, subject: str, visit: int) -> str:
    """`sub-00001/ses-0/anat/sub-00001_ses-0_T1w.nii.gz`, relative to the root of the data set."""
    folder, suffix = BIDS_NAME[modality]
    return f"{subject}/ses-{visit}/{folder}/{subject}_ses-{visit}_{suffix}.nii.gz"


def nifti_bytes(volume: np.ndarray) -> bytes:
    """The file of `volume` float [slices, size, size]: lowest slice first, rows to the back, columns to the left.

    Left is the patient's. Stored as int16 [x, y, z] in RAS+ order (to the right, to the front, up), affine in mm with
    the middle of the volume at the origin. The gzip header has no time and no name: equal volumes give equal bytes.
    """
    import nibabel

    slices, size = volume.shape[:2]
    stored = np.rint(volume).clip(-32768, 32767).astype(np.int16)[:, ::-1, ::-1].transpose(2, 1, 0)
    spacing = np.array([spacing_mm(size), spacing_mm(size), SLICE_MM])
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -0.5 * spacing * (np.array([size, size, slices]) - 1)
    image = nibabel.Nifti1Image(stored, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    buffer = BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=6) as file:
        file.write(image.to_bytes())
    return buffer.getvalue()


def participants_table(ids: Sequence[str], labels: Sequence[str]) -> str:
    """`participants.tsv`: one line a subject, with the finding as `diagnosis`."""
    rows = [f"{name}\t{label}\n" for name, label in zip(ids, labels, strict=True)]
    return "participant_id\tdiagnosis\n" + "".join(rows)


def dataset_description(title: str) -> str:
    """`dataset_description.json`, which every BIDS data set has."""
    about = {
        "Name": f"Phantom of {title}: procedural images, no person",
        "BIDSVersion": "1.9.0",
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "unpersonal phantom"}],
    }
    return json.dumps(about, indent=2) + "\n"
