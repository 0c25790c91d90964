"""Seeds derived from names, so that no two uses share a stream and a resumed run draws the same numbers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(*names: int | str) -> int:
    """A 63-bit seed from the ordered `names`; distinct names give distinct seeds up to hash collisions."""
    text = "\x1f".join(f"{type(name).__name__}:{name}" for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(*names: int | str) -> np.random.Generator:
    """A NumPy generator seeded with `derive_seed(*names)`."""
    return np.random.default_rng(derive_seed(*names))


def torch_generator(*names: int | str) -> torch.Generator:
    """A CPU torch generator seeded with `derive_seed(*names)`.

    Always on the CPU: the same numbers then reach every device.
    """
    import torch

    return torch.Generator().manual_seed(derive_seed(*names))
