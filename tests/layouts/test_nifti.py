"""Folders and zips of NIfTI volumes, BIDS or not."""

from __future__ import annotations

import gzip

import numpy as np

from ..journeys.cohort_cases import (
    refused as init_refused,
)
from ..journeys.cohort_cases import (
    try_init,
    write_files,
)


def volume() -> bytes:
    import nibabel

    values = np.random.default_rng(0).integers(0, 99, (9, 9, 9)).astype(np.int16)
    return gzip.compress(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())


def test_bids_offers_the_columns_of_participants(tmp_path):
    files = {f"sub-{i:02d}/anat/sub-{i:02d}_PDw.nii.gz": volume() for i in range(3)}
    rows = [f"sub-{i:02d}\t{40 + i}\t{'ill' if i else 'well'}" for i in range(3)]
    files["participants.tsv"] = "\n".join(["participant_id\tage\tdiagnosis", *rows]).encode()
    images = write_files(tmp_path / "bids", files)
    init_refused(try_init(tmp_path / "s", images), "'anat'", "age, diagnosis", "--label-from participants:diagnosis")
