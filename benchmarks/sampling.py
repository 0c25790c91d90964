"""Drawing candidates: batches across sources against one source at a time; folded against unfolded weights."""

from __future__ import annotations

import torch

from benchmarks.timing import compare
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.diffusion.network import build_denoiser, fold_weights
from unpersonal.diffusion.sampling import sample

SOURCES, CANDIDATES, STEPS = 32, 4, 4


def main() -> None:
    """Print the ratios for the `cpu` preset's network on 8x8x16 latents."""
    network = build_denoiser(DiffusionConfig().network((16, 8, 8), 64), 0).eval().requires_grad_(False)
    folded = fold_weights(network)
    noise = torch.randn(SOURCES * CANDIDATES, 16, 8, 8)
    labels = torch.nn.functional.normalize(torch.randn(SOURCES * CANDIDATES, 64), dim=1)

    def together() -> None:
        sample(folded, noise, labels, steps=STEPS)

    def one_by_one() -> None:
        for start in range(0, len(noise), CANDIDATES):
            part = slice(start, start + CANDIDATES)
            sample(folded, noise[part], labels[part], steps=STEPS)

    def unfolded() -> None:
        sample(network, noise, labels, steps=STEPS)

    compare("drawing for 32 sources together against one source at a time", together, one_by_one)
    compare("weights normalised once against at every evaluation", together, unfolded)


if __name__ == "__main__":
    main()
