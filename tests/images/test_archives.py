"""Files in folders and zips: the same bytes, and nothing outside them."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from unpersonal.core.errors import InputError
from unpersonal.images import folders as folders_module
from unpersonal.images.archives import FolderArchive, ImageError, ZipArchive, open_archive

GREY = np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint8)


def encoded(pixels, form: str, **options) -> bytes:
    stream = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(stream, form, **options)
    return stream.getvalue()


@pytest.fixture
def zip_path(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for i in range(60):
            zipped.writestr(f"a/{i:02d}.png", encoded(np.roll(GREY, i), "PNG"))
        zipped.writestr("__MACOSX/a/._00.png", b"litter")
        zipped.writestr("a/readme.txt", b"text")
    return path


def read_all(archive):
    return [archive.open_bytes(name) for name in archive.image_names()]


def read_in_child(archive, queue):
    queue.put([len(data) for data in read_all(archive)])


def test_zip_and_folder_give_the_same_bytes(zip_path, tmp_path):
    with zipfile.ZipFile(zip_path) as stream:
        stream.extractall(tmp_path / "out")
    zipped, folder = open_archive(zip_path), open_archive(tmp_path / "out")
    assert isinstance(zipped, ZipArchive) and isinstance(folder, FolderArchive)
    assert zipped.names() == folder.names() and len(zipped.image_names()) == 60
    assert read_all(zipped) == read_all(folder)


def test_a_zip_is_read_by_threads_forks_and_copies_alike(zip_path):
    archive = open_archive(zip_path)
    expected = read_all(archive)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(archive.open_bytes, archive.image_names())) == expected
    assert read_all(pickle.loads(pickle.dumps(archive))) == expected  # noqa: S301
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=read_in_child, args=(archive, queue)) for _ in range(2)]
    for child in children:
        child.start()
    assert read_all(archive) == expected
    assert [queue.get(timeout=30) for _ in children] == [[len(data) for data in expected]] * 2
    for child in children:
        child.join()


@pytest.mark.parametrize("name", ["../out.png", "/etc/x.png", "a/../../x.png", "C:/x.png", "a\\..\\x.png"])
def test_archives_with_names_that_reach_outside_are_refused(tmp_path, name):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("good.png", encoded(GREY, "PNG"))
        zipped.writestr(name, b"x")
    with pytest.raises(InputError, match="reaches outside"):
        open_archive(path)


@pytest.mark.parametrize("other", ["./a/x.png", "a//x.png", "a/./x.png"])
def test_archives_with_two_spellings_of_one_name_are_refused(tmp_path, other):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as zipped:
        zipped.writestr("a/x.png", b"1")
        zipped.writestr(other, b"2")
    with pytest.raises(InputError, match="twice"):
        open_archive(tmp_path / "bad.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_doubled_names_and_broken_archives_are_refused(tmp_path):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("a.png", b"1")
        zipped.writestr("a.png", b"2")
    with pytest.raises(InputError, match="twice"):
        open_archive(path)
    data = bytearray(path.read_bytes())
    data[-60:-30] = os.urandom(30)
    (tmp_path / "broken.zip").write_bytes(bytes(data))
    with pytest.raises(InputError):
        open_archive(tmp_path / "broken.zip")


def test_files_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folders_module, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.png", bytes(100_000))
    (tmp_path / "b.png").write_bytes(bytes(100_000))
    for archive, name in ((open_archive(path), "a.png"), (open_archive(tmp_path), "b.png")):
        with pytest.raises(ImageError) as error:
            archive.open_bytes(name)
        assert error.value.reason == "too-large"


def test_links_and_paths_that_leave_a_folder_are_refused(tmp_path):
    (tmp_path / "secret.png").write_bytes(encoded(GREY, "PNG"))
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    for name in ("link.png", "../secret.png", str(tmp_path / "secret.png")):
        with pytest.raises(ImageError) as error:
            open_archive(root).open_bytes(name)
        assert error.value.reason == "outside"


def test_links_in_a_zip_are_refused_and_not_read_as_text(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        link = zipfile.ZipInfo("more")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, "../copies")
        zipped.writestr("a.png", encoded(GREY, "PNG"))
    archive = ZipArchive(tmp_path / "a.zip")
    with pytest.raises(ImageError, match="a link in a zip") as error:
        archive.open_bytes("more")
    assert error.value.reason == "outside" and archive.open_bytes("a.png") == encoded(GREY, "PNG")
