"""Archives within archives, and a cache of the Hub."""

from __future__ import annotations

import os
import shutil
import zipfile

import numpy as np
import pytest

from tests.images.test_archives import GREY, encoded
from tests.images.test_tars import FILES, content, tar_of
from unpersonal.core.errors import InputError
from unpersonal.images.archives import ImageError, open_archive


def zip_of(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return path


def below(*folders: str) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for folder in folders for name, data in FILES.items()}


@pytest.fixture
def packed(tmp_path):
    """A zip and a compressed tar of the same files, as bytes by their names."""
    made = {"one.zip": zip_of(tmp_path / "1", FILES), "two.tar.gz": tar_of(tmp_path / "2", "w:gz")}
    return {name: path.read_bytes() for name, path in made.items()}


def test_archives_in_a_folder_a_zip_and_a_tar_are_read_as_folders(tmp_path, packed):
    (tmp_path / "in").mkdir()
    for name, data in packed.items():
        (tmp_path / "in" / name).write_bytes(data)
    for place in (tmp_path / "in", zip_of(tmp_path / "in.zip", packed), tar_of(tmp_path / "in.tar", "w", packed)):
        assert content(open_archive(place)) == below(*packed), place


def test_archives_beside_pictures_are_files_like_others(tmp_path, packed):
    archive = open_archive(zip_of(tmp_path / "in.zip", {"a/x.png": b"x", **packed}))
    assert archive.names() == ["a/x.png", *packed]


def test_what_lacks_may_lie_in_an_archive_that_was_not_opened(tmp_path, packed):
    from unpersonal.cohort.read import read
    from unpersonal.layouts.config import CohortConfig

    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "one.zip").write_bytes(packed["one.zip"])
    for number in range(3):
        (tmp_path / "in" / "a" / f"{number}.png").write_bytes(encoded(np.roll(GREY, number), "PNG"))
    with pytest.raises(InputError, match=r"1 archive lies among the images and was not opened.*unpack what is not"):
        read(CohortConfig(images="in", subject="file"), 0, tmp_path, workers=1)


def test_an_archive_three_deep_stays_a_file(tmp_path, packed):
    inner = zip_of(tmp_path / "inner.zip", packed).read_bytes()
    assert open_archive(zip_of(tmp_path / "o.zip", {"in.zip": inner})).names() == [f"in.zip/{name}" for name in packed]


def test_a_damaged_archive_in_a_folder_is_an_error(tmp_path, packed):
    (tmp_path / "in").mkdir()
    for name, data in packed.items():
        (tmp_path / "in" / name).write_bytes(data[:-200])
    with pytest.raises(InputError, match=r"one\.zip"):
        open_archive(tmp_path / "in")


def test_a_snapshot_of_the_hub_holds_what_its_links_lead_to(tmp_path):
    cache, outside = tmp_path / "datasets--me--set", tmp_path / "secret.png"
    snapshot = cache / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    (cache / "blobs" / "0f").write_bytes(b"picture")
    outside.write_bytes(b"secret")
    (snapshot / "a.png").symlink_to(os.path.relpath(cache / "blobs" / "0f", snapshot))
    (snapshot / "b.png").symlink_to(outside)
    archive = open_archive(snapshot)
    assert archive.open_bytes("a.png") == b"picture"
    for name in ("b.png", "../../blobs/0f"):
        with pytest.raises(ImageError, match="leads out"):
            archive.open_bytes(name)
    with pytest.raises(InputError, match=r"cache of the Hugging Face Hub.*snapshots/abc"):
        open_archive(cache)
    shutil.rmtree(cache / "blobs")
    with pytest.raises(ImageError):
        open_archive(snapshot).open_bytes("a.png")
