"""Unit normals per sample, so that a sample does not depend on the batch in which it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ..core.seeds import numpy_rng

if TYPE_CHECKING:
    from torch import Tensor


class SeededNoise:
    """Unit normals per sample, each from its own CPU generator, so that they do not depend on the batch.

    As in EDM2, sample i's torch CPU generator is seeded with `seeds[i] mod 2^32`. That engine has a 32-bit seed
    anyway: two seeds that agree mod 2^32 give the same noise, so whoever needs distinct noise must keep seeds
    distinct mod 2^32 (or use `keyed_noise`).
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(int(seed) % 2**32) for seed in seeds]

    def draw(self, shape: Sequence[int]) -> Tensor:
        """The next unit normals, float32 [len(seeds), *shape] on the CPU."""
        return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in self._generators])


def seeded_noise(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """First draw of `SeededNoise(seeds)`: float32 [len(seeds), *shape] on the CPU."""
    return SeededNoise(seeds).draw(shape)


def keyed_noise(keys: Sequence[int | str | tuple[int | str, ...]], shape: Sequence[int]) -> Tensor:
    """Unit normals float32 [len(keys), *shape] on the CPU, one stream per key, distinct for all distinct keys.

    Keys go through `core.seeds.numpy_rng`, whose 63 bits do not collide where 32 would: among 100,000 candidates two
    32-bit seeds coincide more often than not.
    """
    parts = [key if isinstance(key, tuple) else (key,) for key in keys]
    draws = [numpy_rng("noise", *part).standard_normal(tuple(shape), dtype="float32") for part in parts]
    return torch.stack([torch.from_numpy(draw) for draw in draws])
