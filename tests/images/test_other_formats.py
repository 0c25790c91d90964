"""What is not read is named by its content, with what to do, wherever it is given."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unpersonal.core.errors import InputError
from unpersonal.images.archives import open_archive
from unpersonal.images.decode import decode
from unpersonal.images.other_formats import other_format
from unpersonal.images.picture import ImageError
from unpersonal.layouts.names import image_names

PICTURE = Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32))


def saved(form: str) -> bytes:
    stream = io.BytesIO()
    PICTURE.save(stream, form)
    return stream.getvalue()


def array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((4, 4)))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("form", "name"), [("GIF", "GIF"), ("JPEG2000", "JPEG 2000"), ("AVIF", "AVIF"), ("ICO", "ICO")]
)
def test_a_picture_of_another_format_is_named_under_whatever_name(tmp_path: Path, form: str, name: str) -> None:
    data = saved(form)
    with pytest.raises(ImageError) as found:
        decode(data)
    assert name in found.value.detail and "as PNG" in found.value.detail
    for number in range(3):
        (tmp_path / f"p{number}.xyz").write_bytes(data)
    with pytest.raises(InputError, match="There are no images here") as error:
        image_names(open_archive(tmp_path), tmp_path)
    assert name in error.value.what and "as PNG" in error.value.how


@pytest.mark.parametrize(
    ("suffix", "data", "what", "how"),
    [
        (".gif", saved("PNG"), "are PNG by their content", "suffix of what they are"),
        (".img", saved("JPEG"), "are JPEG by their content", "suffix of what they are"),
        (".npy", array(), "are a NumPy array", "as PNG or volumes as NIfTI"),
        (".nrrd", b"NRRD0004\n", "are NRRD", "NIfTI"),
        (".mha", b"ObjectType = Image\nNDims = 3\n", "are MetaImage", "NIfTI"),
        (".mp4", b"\0\0\0\x18ftypisom", "are a film", "as PNG"),
        (".gz", gzip.compress(saved("PNG")), "are gzip", "unpack the files"),
        (".lz4", b"\x04\x22\x4d\x18" + bytes(40), "are lz4", "unpack"),
        (".h5", b"\x89HDF\r\n\x1a\n" + bytes(40), "are HDF5", "as PNG or volumes as NIfTI"),
        (".7z", b"7z\xbc\xaf\x27\x1c" + bytes(40), "archives, e.g. 'p0.7z'", "unpack the archives"),
        (".txt", b"nothing", "3 .txt)", "name a folder or zip"),
    ],
)
def test_a_folder_of_something_else(tmp_path: Path, suffix: str, data: bytes, what: str, how: str) -> None:
    for number in range(3):
        (tmp_path / f"p{number}{suffix}").write_bytes(data)
    with pytest.raises(InputError) as error:
        image_names(open_archive(tmp_path), tmp_path)
    assert what in error.value.what and how in error.value.how
    # an array is not unpacked, whatever else has its suffix
    assert ("unpack" in error.value.how) == (how.startswith("unpack"))


def test_parquet_without_encoded_images(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": ["iVBORw0KGgo="] * 3}), tmp_path / "train.parquet")
    with pytest.raises(InputError, match="Parquet without a column of encoded images") as error:
        image_names(open_archive(tmp_path), tmp_path)
    assert "{bytes, path}" in error.value.how


@pytest.mark.parametrize(
    ("name", "data", "what", "how"),
    [
        ("a.tar.lz4", b"\x04\x22\x4d\x18" + bytes(40), "This is lz4", "unpack"),
        ("a.tar.Z", b"\x1f\x9d" + bytes(40), "This is compress", "unpack"),
        ("a.zip.001", b"PK\x03\x04" + bytes(40), "one part of an archive", "join them"),
        ("a.7z.003", bytes(40), "one part of an archive", "join them"),
        ("a.part2.rar", b"Rar!\x1a\x07" + bytes(40), "one part of an archive", "join them"),
        ("a.z01", bytes(40), "one part of an archive", "join them"),
        ("a.sqlite", b"SQLite format 3\0", "an SQLite database", "Parquet or CSV"),
    ],
)
def test_one_file(tmp_path: Path, name: str, data: bytes, what: str, how: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as error:
        open_archive(tmp_path / name)
    assert what in error.value.what and how in error.value.how


def test_an_arrow_file_and_a_zip_of_which_parts_lie_beside_it(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"a": [1]}), tmp_path / "a.feather")
    with pytest.raises(InputError, match="Arrow") as error:
        open_archive(tmp_path / "a.feather")
    assert "Parquet" in error.value.how
    (tmp_path / "s.z01").write_bytes(bytes(100))
    (tmp_path / "s.zip").write_bytes(b"PK\x05\x06\x01\x00\x01\x00\x01\x00\x01\x00" + b"\xff\0\0\0" * 2 + bytes(2))
    with pytest.raises(InputError) as error:
        open_archive(tmp_path / "s.zip")
    assert "join them" in error.value.how


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_what_is_read_is_none_of_them(form: str) -> None:
    assert other_format(saved(form)) is None
