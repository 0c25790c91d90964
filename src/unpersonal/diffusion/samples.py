"""Samples drawn while a denoiser trains: a sheet to look at, and whether they resemble train images too closely.

They did not pass the gate and show what the network knows of people: they stay in the study. Legend: B samples, c
channels and h, w cells of a latent, C channels and H, W pixels of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..codec.base import blocks
from ..core.files import atomic_path
from ..metrics.copies import MARGIN, SIDE, nearest_copy
from ..metrics.intervals import clopper_pearson_lower, clopper_pearson_upper
from .network import Denoiser
from .noise import keyed_noise
from .sampling import sample

RECOGNISED = 0.99
"""A sample counts as a match where it is more like a train image than this share of held-out images is."""

AT_ONCE = 16
"""Samples that are drawn and decoded together, at most: fewer than a step computes, so that they do not set the peak of
memory (`memory.training_memory` counts them). Their noise is keyed, so it changes nothing else."""

MOST_REFERENCES, MOST_STRANGERS = 4096, 256
"""Train images and held-out images that take part, at most: the same ones at every measurement."""


@dataclass(frozen=True)
class CopyCheck:
    """The closed-form copy detector, set by people who are not trained on.

    `references` uint8 [r, C, H, W] are train images; `threshold` is the score that 1 % of held-out images reach.
    """

    references: np.ndarray
    threshold: float

    @classmethod
    def fit(cls, references: np.ndarray, strangers: np.ndarray) -> CopyCheck:
        """Set the threshold by `strangers` uint8 [s, C, H, W], images of other people."""
        scores = nearest_copy(strangers, references).score
        return cls(references, float(np.quantile(scores, RECOGNISED)))

    def rate(self, images: np.ndarray) -> tuple[float, float, float]:
        """Share of `images` uint8 [B, C, H, W] above the threshold, and its one-sided 95 % lower and upper bounds."""
        found = int((nearest_copy(images, self.references).score > self.threshold).sum())
        count = len(images)
        return found / count, clopper_pearson_lower(found, count), clopper_pearson_upper(found, count)

    @staticmethod
    def memory(references: int, shape: tuple[int, int, int], samples: int) -> tuple[int, int]:
        """Bytes of so many `references` of `shape` (C, H, W), and what `rate` of so many samples takes besides.

        Of the latter most is `metrics.copies`: 512 images in grey and what their maps are made of, or the windows of
        all references three times over while they are scaled to unit length; beside either stand all maps.
        """
        channels, height, width = shape
        grey = min(512, references) * (height * width + 5 * SIDE**2)
        windows = 3 * references * (SIDE - 2 * MARGIN) ** 2 + 2 * samples * references
        return references * channels * height * width, 4 * (references * SIDE**2 + max(grey, windows))


@dataclass(frozen=True)
class SampledConditions:
    """Conditions float32 [count, L] of the samples, or None: blends of train people, as synthesis will draw them, and
    of held-out people, who cannot have been learnt by heart."""

    train: np.ndarray | None
    held_out: np.ndarray | None


class SampleWatch:
    """A callback of the monitor: draws the same `count` seeds and conditions each time, writes a sheet, checks copies.

    `decode` turns latents [B, c, h, w] into uint8 [B, C, H, W]; it is handed `at_once` of them at most.
    """

    def __init__(
        self,
        folder: Path,
        conditions: SampledConditions,
        decode: Callable[[torch.Tensor], np.ndarray],
        *,
        count: int,
        steps: int,
        copies: CopyCheck | None,
        most: float,
        device: torch.device,
        at_once: int = AT_ONCE,
    ) -> None:
        self._at_once = at_once
        self._folder, self._conditions, self._decode, self._copies = folder, conditions, decode, copies
        self._most, self._count, self._steps, self._device = most, count, steps, device

    def __call__(self, step: int, denoiser: Denoiser) -> dict[str, float]:
        """Figures of the averaged network after `step` steps; writes `step-NNNNNNN.png`."""
        images = self._draw(denoiser, self._conditions.train)
        write_sheet(self._folder / f"step-{step:07d}.png", images)
        if self._copies is None:
            return {}
        rate, lower, upper = self._copies.rate(images)
        found = {"match_rate": rate, "match_rate_lower": lower, "match_rate_upper": upper}
        found["memorised"] = float(lower > self._most)
        if self._conditions.held_out is not None:
            found["match_rate_control"] = self._copies.rate(self._draw(denoiser, self._conditions.held_out))[0]
        return found

    @torch.no_grad()
    def _draw(self, denoiser: Denoiser, conditions: np.ndarray | None) -> np.ndarray:
        config = denoiser.config
        shape = (config.channels, config.resolution, config.resolution)
        images = []
        for block in blocks(self._count, self._at_once):
            noise = keyed_noise([("monitor", i) for i in range(block.start, block.stop)], shape).to(self._device)
            labels = None
            if conditions is not None:
                labels = torch.from_numpy(np.array(conditions[block], np.float32)).to(self._device)
            images.append(self._decode(sample(denoiser, noise, labels, steps=self._steps)))
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
