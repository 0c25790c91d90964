"""Tar archives, plain and compressed: the bytes of their files, and nothing lost at a damaged place."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from unpersonal.core.errors import InputError
from unpersonal.images.archives import ImageError, TarArchive, open_archive

FILES = {f"{'ab'[i % 2]}/p{i}.png": os.urandom(700 + i) for i in range(8)}


def tar_of(path: Path, mode: str = "w", files=FILES) -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def content(archive) -> dict[str, bytes]:
    return {name: archive.open_bytes(name) for name in archive.names()}


def send(archive, queue):
    queue.put(content(archive))


@pytest.mark.parametrize(
    ("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.txz", "w:xz"), ("x.tbz2", "w:bz2"), ("x.tar.zst", "")]
)
def test_a_tar_gives_its_files_to_all_processes(tmp_path, name, mode):
    path = tmp_path / name
    if mode:
        tar_of(path, mode)
    else:
        plain = tar_of(tmp_path / "plain.tar").read_bytes()
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(plain)
    before = set(tmp_path.iterdir())
    archive = open_archive(path)
    assert isinstance(archive, TarArchive) and content(archive) == FILES and set(tmp_path.iterdir()) == before
    assert content(pickle.loads(pickle.dumps(archive))) == FILES  # noqa: S301
    queue = multiprocessing.get_context("fork").Queue()
    child = multiprocessing.get_context("fork").Process(target=send, args=(archive, queue))
    child.start()
    assert queue.get(timeout=30) == FILES
    child.join()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data[: len(data) // 2], "no end|unexpected end"),
        (lambda data: data + data, "goes on behind its end"),
        (lambda data: data.replace(b"p3.png", b"p4.png", 1), "checksum|no end|Not a readable"),
        (lambda data: b"x" * 5000, "Not a readable"),
    ],
)
def test_a_damaged_tar_is_refused_as_a_whole(tmp_path, change, what):
    path = tar_of(tmp_path / "x.tar")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=what):
        open_archive(path)


def test_a_compressed_tar_that_is_cut_off_is_refused(tmp_path):
    path = tar_of(tmp_path / "x.tar.gz", "w:gz")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot be unpacked"):
        open_archive(path)


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a\\x.png"])
def test_names_that_reach_outside_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="reaches outside"):
        open_archive(tar_of(tmp_path / "x.tar", files={name: b"x"}))


def test_links_are_followed_within_the_archive_alone(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, kind, target, data in (
            ("a.png", tarfile.REGTYPE, "", b"picture"),
            ("same.png", tarfile.LNKTYPE, "a.png", b""),
            ("out.png", tarfile.LNKTYPE, "../b.png", b""),
            ("soft.png", tarfile.SYMTYPE, "a.png", b""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, target, len(data)
            tar.addfile(entry, io.BytesIO(data))
    archive = open_archive(tmp_path / "x.tar")
    assert archive.names() == ["a.png", "out.png", "same.png", "soft.png"]
    assert archive.open_bytes("same.png") == b"picture"
    for name in ("out.png", "soft.png"):
        with pytest.raises(ImageError, match="a link"):
            archive.open_bytes(name)


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("unpersonal.images.unpacked.MOST_PLAIN", 1000)
    monkeypatch.setattr("unpersonal.images.unpacked.MOST_TIMES", 1)
    with pytest.raises(InputError, match="unpacks to more than"):
        open_archive(tar_of(tmp_path / "x.tar.gz", "w:gz", {"a.png": bytes(100_000)}))
