"""Seeds derived from names, so that no two uses share a stream and a resumed run draws the same numbers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from the ordered `parts`; distinct parts give distinct seeds up to hash collisions."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(*parts: int | str) -> np.random.Generator:
    """A NumPy generator seeded with `derive_seed(*parts)`."""
    return np.random.default_rng(derive_seed(*parts))


def torch_generator(*parts: int | str) -> torch.Generator:
    """A CPU torch generator seeded with `derive_seed(*parts)`.

    Always on the CPU: the same numbers then reach every device.
    """
    import torch

    return torch.Generator().manual_seed(derive_seed(*parts))
