"""Comparing candidates with every train image: one embedding per image against one pass of the network per pair."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.timing import compare
from unpersonal.core.pixels import to_float
from unpersonal.judges.config import JudgesConfig
from unpersonal.judges.siamese import build_siamese

CANDIDATES, GALLERY, SIZE = 16, 64, 64


def main() -> None:
    """Print the ratio for the `cpu` preset's network."""
    model = build_siamese(JudgesConfig(), channels=1, size=SIZE, seed=0).eval()
    images = np.random.default_rng(0).integers(0, 256, (CANDIDATES + GALLERY, 1, SIZE, SIZE), dtype=np.uint8)
    pixels = to_float(images, torch.device("cpu"))
    first, second = pixels[:CANDIDATES], pixels[CANDIDATES:]

    def by_embedding() -> torch.Tensor:
        with torch.no_grad():
            return model.pair_logits(model.embed(first), model.embed(second))

    def pair_by_pair() -> torch.Tensor:
        with torch.no_grad():
            return torch.stack([model(one.expand_as(second), second) for one in first])

    assert torch.allclose(by_embedding(), pair_by_pair(), atol=1e-3)
    compare(f"{CANDIDATES} x {GALLERY} pairs by embedding against pair by pair", by_embedding, pair_by_pair)


if __name__ == "__main__":
    main()
