"""NIfTI exports: nibabel, MONAI and our own reader see the released pixels."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from unpersonal.images.nifti import decode_nifti
from unpersonal.images.picture import DecodeOptions
from unpersonal.release.export.nifti import FORM
from unpersonal.release.exports import Content


def written(content: Content, out: Path) -> list[Path]:
    out.mkdir()
    FORM.write(content, out)
    return sorted((out / "images").iterdir())


@pytest.mark.parametrize("channels", [1, 3])
def test_nibabel_and_monai_read_the_pixels(make_content: Callable[..., Content], tmp_path: Path, channels: int) -> None:
    from monai.data.image_reader import NibabelReader

    content, reader = make_content(channels), NibabelReader()
    for image, path in zip(content.images, written(content, tmp_path / "out"), strict=True):
        assert path.name == f"{image.stem}.nii.gz"
        found = np.squeeze(np.asanyarray(nibabel.load(path).dataobj))
        assert found.dtype == np.uint8
        assert np.array_equal(np.swapaxes(found, 0, 1), image.pixels())
        array, _ = reader.get_data(reader.read(path))
        assert np.array_equal(np.swapaxes(np.squeeze(array), 0, 1), image.pixels())


def test_it_is_upright_for_who_follows_the_affine(make_content: Callable[..., Content], tmp_path: Path) -> None:
    content = make_content()
    image, path = content.images[0], written(content, tmp_path / "out")[0]
    [picture] = decode_nifti(path.read_bytes(), [""], DecodeOptions(window=(127.5, 255.0)))
    assert np.array_equal(np.rint(picture.pixels[0] / 257.0), image.pixels())


def test_bytes_are_the_same_and_name_nothing(make_content: Callable[..., Content], tmp_path: Path) -> None:
    first = [path.read_bytes() for path in written(make_content(), tmp_path / "a")]
    assert first == [path.read_bytes() for path in written(make_content(), tmp_path / "b")]
    assert all(data[3] & 0b11000 == 0 and data[4:8] == b"\0" * 4 for data in first), "a name or time in the gzip header"
    assert nibabel.Nifti1Image.from_bytes(gzip.decompress(first[0])).header["descrip"].item() == b""


def test_labels_lie_beside(make_content: Callable[..., Content], tmp_path: Path) -> None:
    written(make_content(labels=(("a", "b"), ("a",))), tmp_path / "out")
    lines = (tmp_path / "out/metadata.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["file_name,label", "images/img-000001.nii.gz,a|b", "images/img-000002.nii.gz,a"]
