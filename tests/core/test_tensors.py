"""Arrays and tensors on disk: room, damage, a round trip."""

from __future__ import annotations

import errno
import os
import resource

import numpy as np
import pytest
import torch

from unpersonal.core.errors import DiskFullError, InputError
from unpersonal.core.tensors import create_array, load_tensors, open_array, save_tensors


def refuse(number):
    def allocate(*given):
        raise OSError(number, os.strerror(number))

    return allocate


WITHOUT = {"missing": None, "not supported": refuse(errno.EOPNOTSUPP), "invalid": refuse(errno.EINVAL)}


@pytest.mark.parametrize("allocate", ["as it is", *WITHOUT])
def test_an_array_has_its_room_before_it_is_mapped(tmp_path, monkeypatch, allocate):
    if allocate != "as it is":
        monkeypatch.setattr(os, "posix_fallocate", WITHOUT[allocate], raising=False)
    with create_array(tmp_path / "x.npy", (3, 1 << 20), "int16") as array:
        [file] = tmp_path.iterdir()
        # a sparse file has fewer blocks (of 512 bytes) than bytes; its page faults would meet the full disk
        assert file.stat().st_blocks * 512 >= file.stat().st_size > array.nbytes == 6 << 20
        assert not array.any()
        array[1] = 7
    back = open_array(tmp_path / "x.npy")
    assert back.dtype == np.int16 and back.shape == (3, 1 << 20)
    assert [int(row.sum(dtype=np.int64)) for row in back] == [0, 7 << 20, 0]
    with create_array(tmp_path / "none.npy", (0, 4), "float32"):
        pass
    assert open_array(tmp_path / "none.npy").shape == (0, 4)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_an_array_without_room_leaves_what_was_there(tmp_path, monkeypatch, number):
    (tmp_path / "x.npy").write_bytes(b"old")
    monkeypatch.setattr(os, "posix_fallocate", refuse(number), raising=False)
    with pytest.raises(DiskFullError, match="room"), create_array(tmp_path / "x.npy", (4,), "float32"):
        pytest.fail("the block was entered")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.npy", b"old")]


@pytest.mark.parametrize("allocate", ["as it is", *WITHOUT])
def test_an_array_over_the_limit_of_files_leaves_what_was_there(tmp_path, monkeypatch, allocate):
    if allocate != "as it is":
        monkeypatch.setattr(os, "posix_fallocate", WITHOUT[allocate], raising=False)
    (tmp_path / "x.npy").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, hard))
    try:
        with pytest.raises(DiskFullError, match="room"), create_array(tmp_path / "x.npy", (3, 1 << 20), "int16"):
            pytest.fail("the block was entered")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.npy", b"old")]


@pytest.mark.parametrize("data", [b"no array", b"", b"\x93NUMPY\x01\x00\x10\x00{'descr': ((((  \n"])
def test_broken_stores_are_input_errors(tmp_path, data):
    (tmp_path / "x.npy").write_bytes(data)
    (tmp_path / "x.safetensors").write_bytes(b"no tensors")
    for call in (lambda: open_array(tmp_path / "x.npy"), lambda: open_array(tmp_path / "y.npy")):
        with pytest.raises(InputError):
            call()
    for name in ("x.safetensors", "y.safetensors"):
        with pytest.raises(InputError):
            load_tensors(tmp_path / name)


def test_tensors_survive_a_round_trip(tmp_path):
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(3)}
    save_tensors(tmp_path / "x.safetensors", tensors, {"kind": "test"})
    back, metadata = load_tensors(tmp_path / "x.safetensors")
    assert metadata == {"kind": "test"} and all(torch.equal(back[name], tensors[name]) for name in tensors)
