"""Augmented views of train images, which the network is told of (non-leaky augmentation, arXiv 2206.00364, F.2).

A view is moved, turned, zoomed, stretched and made lighter or darker within what anatomy allows. Its values go to the
network as a vector, which is zero in drawing, so that samples look as the images do and not as the views. It holds 1
for a mirrored view, and from -1 to 1 shift to the right and down, rotation, zoom, stretch, gain and gamma. Legend: n
images, B views, a `AUGMENT_DIM` values of a view, C channels and H = W pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.pixels import to_float
from ..core.seeds import numpy_rng
from .config import AUGMENT_DIM, MIRROR, DiffusionConfig

SHARE = 0.5
"""Each transformation takes part in a view with this probability."""


def draw_views(count: int, config: DiffusionConfig, seed: int) -> np.ndarray:
    """The values float32 [count, a] of so many views; the first ones do not depend on how many follow."""
    rng = numpy_rng(seed, "augment", "views")
    found = np.zeros((count, AUGMENT_DIM), dtype=np.float32)
    for row in found:
        values, chosen = rng.uniform(-1, 1, AUGMENT_DIM), rng.random(AUGMENT_DIM) < SHARE
        row[:] = np.where(chosen & (ranges(config) > 0), values, 0)
        row[MIRROR] = float(chosen[MIRROR] and config.horizontal_flip)
    return found


def ranges(config: DiffusionConfig) -> np.ndarray:
    """What 1 means of each value: shares of the edge, radians, natural logarithms; float64 [a]."""
    grey = (math.log1p(config.augment_gain), math.log1p(config.augment_gamma))
    size = (math.log1p(config.augment_zoom), math.log1p(config.augment_stretch))
    place = (config.augment_shift, config.augment_shift, math.radians(config.augment_rotation))
    return np.array([1.0, *place, *size, *grey])


def view_of(images: Tensor, values: np.ndarray, config: DiffusionConfig) -> Tensor:
    """The views float32 [B, C, H, W] of images in [0, 1] with `values` [B, a]; what lies outside is mirrored in."""
    _, right, down, turn, zoom, stretch, gain, gamma = (values.astype(np.float64) * ranges(config)).T
    mirrored = torch.from_numpy(values[:, MIRROR] > 0.5).to(images.device)
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    if (values[:, 1:6] != 0).any():
        grid = F.affine_grid(
            torch.from_numpy(_inverse(right, down, turn, zoom, stretch)).float().to(images.device),
            list(images.shape),
            align_corners=False,
        )
        moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
        still = torch.from_numpy((values[:, 1:6] == 0).all(axis=1)).to(images.device)
        images = torch.where(still[:, None, None, None], images, moved)
    light, curve = (torch.from_numpy(np.exp(each)).float().to(images.device) for each in (gain, gamma))
    return (images.clamp(0, 1) ** curve[:, None, None, None] * light[:, None, None, None]).clamp(0, 1)


def _inverse(right: Any, down: Any, turn: Any, zoom: Any, stretch: Any) -> np.ndarray:
    """Where in the image each place of the view comes from, float64 [B, 2, 3]: places run from -1 to 1.

    A view is the image stretched (wider and lower), zoomed, turned about its middle and then shifted.
    """
    across, along = np.exp(-zoom - stretch), np.exp(-zoom + stretch)
    cos, sin = np.cos(turn), np.sin(turn)
    linear = np.stack([np.stack([across * cos, across * sin], 1), np.stack([-along * sin, along * cos], 1)], 1)
    shift = -linear @ np.stack([2 * right, 2 * down], 1)[:, :, None]
    return np.asarray(np.concatenate([linear, shift], axis=2))


class Views:
    """uint8 [n·m, C, H, W]: m views of each of n images, one image after the other, made when they are asked for.

    The images are the rows `rows` of `images` uint8 [·, C, H, W], and then `more`, uint8 [·, C, H, W].
    """

    def __init__(self, images: Any, rows: np.ndarray, more: np.ndarray, values: np.ndarray, config: DiffusionConfig):
        self._images, self._rows, self._more = images, np.asarray(rows, dtype=np.int64), more
        self.values, self._config, self._each = values, config, config.augment_views

    @property
    def shape(self) -> tuple[int, ...]:
        """(n·m, C, H, W)."""
        return (len(self.values), *self._images.shape[1:])

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, views: Any) -> np.ndarray:
        numbers = np.arange(len(self))[views]
        own = numbers // self._each
        found = np.empty((len(numbers), *self.shape[1:]), dtype=np.uint8)
        old = own < len(self._rows)
        found[old] = self._images[self._rows[own[old]]]
        found[~old] = self._more[own[~old] - len(self._rows)]
        shown = view_of(to_float(found), self.values[numbers], self._config)
        return np.asarray((shown * 255).round().to(torch.uint8).numpy())
