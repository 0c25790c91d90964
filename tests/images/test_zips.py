"""Zips as people get them: methods that are not read, encryption, backslashes."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from unpersonal.core.errors import InputError
from unpersonal.images.archives import ImageError, open_archive

NAMES = ("a/x.png", "b/y.png")
CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"


def written(path: Path, names=NAMES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in names:
            zipped.writestr(name, name.encode() * 9)
    return path


def set_field(path: Path, central: int, local: int, value: int, most: int = 99) -> Path:
    """The 16-bit fields at two offsets of the first `most` headers get a value: as a foreign program writes them."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((CENTRAL, central), (LOCAL, local)):
        at = -1
        for _ in range(most):
            if (at := data.find(mark, at + 1)) < 0:
                break
            data[at + offset : at + offset + 2] = struct.pack("<H", value)
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(("method", "called"), [(9, "Deflate64"), (93, "Zstandard"), (98, "PPMd"), (77, "unknown")])
def test_a_method_that_is_not_read_is_named(tmp_path, method, called):
    path = set_field(written(tmp_path / "m.zip"), 10, 8, method)
    with pytest.raises(InputError, match=f"{called}.*method {method}.*To mend it: unpack it"):
        open_archive(path)


def test_a_method_of_one_file_costs_that_file(tmp_path):
    archive = open_archive(set_field(written(tmp_path / "m.zip"), 10, 8, 9, most=1))
    with pytest.raises(ImageError, match=r"Deflate64.*unpack it") as error:
        archive.open_bytes("a/x.png")
    assert error.value.reason == "unreadable" and archive.open_bytes("b/y.png") == b"b/y.png" * 9


def test_an_encrypted_zip_is_named_whatever_the_encryption(tmp_path):
    for path in (
        set_field(written(tmp_path / "classic.zip"), 8, 6, 1),
        set_field(written(tmp_path / "aes.zip"), 10, 8, 99),
    ):
        with pytest.raises(InputError, match=r"encrypted.*unpack it with its password"):
            open_archive(path)


def test_a_patch_is_no_picture(tmp_path):
    with pytest.raises(InputError, match="a patch for another file"):
        open_archive(set_field(written(tmp_path / "p.zip"), 8, 6, 0x20))


def with_backslashes(path: Path) -> Path:
    data = path.read_bytes()
    for name in NAMES:
        data = data.replace(name.encode(), name.replace("/", "\\").encode())
    path.write_bytes(data)
    return path


def test_backslashes_that_separate_are_read_as_such(tmp_path):
    archive = open_archive(with_backslashes(written(tmp_path / "ps5.zip")))
    assert archive.names() == list(NAMES) and archive.open_bytes("b/y.png") == b"b/y.png" * 9


def test_backslashes_of_which_nobody_knows_are_named(tmp_path):
    path = written(tmp_path / "both.zip", ("a\\x.png", "b/y.png"))
    with pytest.raises(InputError, match=r"backslashes beside slashes.*a\\\\x.png"):
        open_archive(path)


def test_a_folder_whose_files_have_backslashes_says_so(tmp_path):
    (tmp_path / "a\\x.png").write_bytes(b"x")
    with pytest.raises(ImageError, match="a backslash in the name"):
        open_archive(tmp_path).open_bytes("a\\x.png")
