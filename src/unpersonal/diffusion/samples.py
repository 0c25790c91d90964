"""Samples drawn while a denoiser trains: a sheet to look at, and whether they resemble train images too closely.

They did not pass the gate and show what the network knows of people: they stay in the study. Legend: B samples, c
channels and h, w cells of a latent, C channels and H, W pixels of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..codec.base import blocks
from ..core.files import atomic_path
from .copy_check import CONFIRMING, CopyCheck
from .network import Denoiser
from .noise import keyed_noise
from .sampling import sample

AT_ONCE = 16
"""Samples that are drawn and decoded together, at most: fewer than a step computes, so that they do not set the peak of
memory (`memory.training_memory` counts them). Their noise is keyed, so it changes nothing else."""

SOLVER = "dpmpp-2m"
"""One evaluation a step, as synthesis draws by default."""


class SampleWatch:
    """A callback of the monitor: draws the same `count` seeds and conditions each time, writes a sheet, checks copies.

    Where too many match, `CONFIRMING` times as many others are drawn, and these decide. `conditions` float32 [n, L] are
    blends of train people, as synthesis will draw them, taken in turns (None: the denoiser has no conditions). `decode`
    turns latents [B, c, h, w] into uint8 [B, C, H, W]; it is handed `at_once` of them at most.

    Nothing is drawn under conditions of held-out people for comparison: a network that has learnt people by heart shows
    them there too, so that matches there would excuse nothing.
    """

    def __init__(
        self,
        folder: Path,
        conditions: np.ndarray | None,
        decode: Callable[[torch.Tensor], np.ndarray],
        *,
        count: int,
        steps: int,
        copies: CopyCheck | None,
        device: torch.device,
        at_once: int = AT_ONCE,
    ) -> None:
        self._at_once = at_once
        self._folder, self._conditions, self._decode, self._copies = folder, conditions, decode, copies
        self._count, self._steps, self._device = count, steps, device

    def __call__(self, step: int, denoiser: Denoiser) -> dict[str, float]:
        """Figures of the averaged network after `step` steps; writes `step-NNNNNNN.png`."""
        images = self._draw(denoiser, 0, self._count)
        write_sheet(self._folder / f"step-{step:07d}.png", images)
        if self._copies is None:
            return {}
        found = self._copies.matches(images)
        if found.too_many:
            found = self._copies.confirmed(self._draw(denoiser, self._count, CONFIRMING * self._count))
        return {
            "match_rate": found.rate,
            "match_rate_lower": found.lower,
            "match_rate_upper": found.upper,
            "match_power": self._copies.sight,
            "memorised": float(found.too_many),
        }

    @torch.no_grad()
    def _draw(self, denoiser: Denoiser, first: int, count: int) -> np.ndarray:
        config = denoiser.config
        shape = (config.channels, config.resolution, config.resolution)
        images = []
        for block in blocks(count, self._at_once):
            numbers = np.arange(first + block.start, first + block.stop)
            noise = keyed_noise([("monitor", i) for i in numbers.tolist()], shape).to(self._device)
            labels = None
            if self._conditions is not None:
                told = self._conditions[numbers % len(self._conditions)]
                labels = torch.from_numpy(np.array(told, np.float32)).to(self._device)
            images.append(self._decode(sample(denoiser, noise, labels, solver=SOLVER, steps=self._steps)))
        return np.concatenate(images)


def write_sheet(path: Path, images: np.ndarray) -> None:
    """Write uint8 [B, C, H, W] as one PNG, in rows of the square root of B."""
    from PIL import Image

    count, channels, height, width = images.shape
    across = max(int(np.ceil(np.sqrt(count))), 1)
    down = -(-count // across)
    sheet = np.zeros((down * height, across * width, channels), np.uint8)
    for i, image in enumerate(images):
        row, column = divmod(i, across)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = image.transpose(1, 2, 0)
    with atomic_path(path) as temporary:
        Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(temporary, format="PNG")
