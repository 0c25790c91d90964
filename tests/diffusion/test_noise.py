"""Noise per sample."""

from __future__ import annotations

import torch

from unpersonal.diffusion.noise import SeededNoise, keyed_noise, seeded_noise


def test_seeded_noise_does_not_depend_on_the_batch() -> None:
    whole = seeded_noise([3, 9, 2**32 + 9], (2, 4))
    assert torch.equal(whole[1:2], seeded_noise([9], (2, 4)))
    assert torch.equal(whole[1], whole[2]), "documented: seeds count mod 2^32"
    assert torch.equal(SeededNoise([3]).draw((2, 4))[0], whole[0])


def test_keyed_noise_tells_keys_apart_that_share_32_bits() -> None:
    first, second = keyed_noise([9, 2**32 + 9], (1000,))
    assert not torch.equal(first, second)
    assert torch.equal(keyed_noise([2**32 + 9], (1000,))[0], second)
    drawn = keyed_noise(list(range(50)), (1000,))
    assert drawn.dtype == torch.float32
    assert abs(float(drawn.std()) - 1) < 0.02 and abs(float(drawn.mean())) < 0.02
