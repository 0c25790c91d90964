"""`unpersonal export` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.studies import call


def test_a_form_that_has_no_modality_takes_none(tmp_path: Path) -> None:
    done = call("export", tmp_path, "--to", "nifti", "--modality", "DX", tmp_path / "out")
    assert done.returncode == 2 and "--modality" in done.stderr


@pytest.mark.slow
def test_no_release_and_no_form(tmp_path: Path) -> None:
    out = tmp_path.parent / f"{tmp_path.name}-out"
    done = call("export", tmp_path, "--to", "nifti", out)
    assert done.returncode == 2 and "There is no release here" in done.stderr
    done = call("export", tmp_path, "--to", "zarr", out)
    assert done.returncode == 2 and "dicom, nifti, parquet, webdataset" in done.stderr
    assert not out.exists()
