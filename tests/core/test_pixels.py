"""Bytes to floats and back."""

from __future__ import annotations

import numpy as np
import torch

from unpersonal.core.pixels import to_float, to_uint8

LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)


def test_every_level_is_its_255th_and_comes_back():
    floats = to_float(LEVELS)
    assert floats.dtype == torch.float32
    assert np.array_equal(floats.numpy(), LEVELS.astype(np.float32) / np.float32(255))
    assert np.array_equal(to_uint8(floats), LEVELS)


def test_arrays_and_tensors_are_read_alike_and_left_alone():
    tensor, before = torch.from_numpy(LEVELS.copy()), LEVELS.copy()
    assert torch.equal(to_float(tensor), to_float(LEVELS)) and np.array_equal(tensor.numpy(), before)
    assert torch.equal(to_float(tensor, torch.device("cpu")), to_float(LEVELS))
    floats = torch.full((2, 1, 4, 4), 0.5)
    to_uint8(floats)
    assert (floats == 0.5).all()


def test_read_only_and_mirrored_arrays_are_taken():
    frozen = LEVELS.copy()
    frozen.setflags(write=False)
    assert torch.equal(to_float(frozen), to_float(LEVELS))
    assert torch.equal(to_float(LEVELS[..., ::-1]), to_float(LEVELS).flip(-1))


def test_what_lies_outside_is_clipped_and_the_rest_goes_to_the_nearest_level():
    floats = torch.tensor([-0.5, 0.0, 100.4 / 255, 100.6 / 255, 1.0, 7.0], requires_grad=True)
    assert to_uint8(floats).tolist() == [0, 0, 100, 101, 255, 255]
