"""What the re-identifier learns to see through: everything a generator does to a picture, or somebody who hides a copy.

Every function takes float images [B, C, H, W] in [0, 1] and a CPU generator, draws one strength per image, and returns
the same shape and range. None of the code or the strengths is that of `matching/kinds.py`, with whose copies the gate
is calibrated: it must see through copies that its training did not make.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..codec.base import Codec
from .perturbations import codec_round_trip, gamma, jpeg, noise, on_some, uniform

LEAST_SHARE = 0.25
"""Of the area of a picture, or of its brightness, that a person has where the picture counts as theirs."""


def warp(images: Tensor, matrix: Tensor, shift: Tensor, fill: Tensor) -> Tensor:
    """Each place of the result is taken from `matrix` [B, 2, 2] times it plus `shift` [B, 2].

    Places are in half sides from the centre. Bilinear. Beyond the border of image i is the grey `fill[i]` where it is
    not negative, else the border repeated.
    """
    theta = torch.cat([matrix, shift[:, :, None]], dim=2).to(images.device)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    seen = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    outside = (grid.abs() > 1).any(dim=3)[:, None]
    grey = fill.to(images.device)[:, None, None, None]
    return torch.where(outside & (grey >= 0), grey, seen)


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turned by up to 10 degrees, zoomed by 0.9 to 1.25 and shifted by up to 4 % more than the zoom leaves."""
    count = len(images)
    window = uniform(count, 0.8, 1.1, generator)
    angle = uniform(count, -10, 10, generator) * math.pi / 180
    room = (1 - window).clamp(min=0) + 0.08
    shift = room[:, None] * (2 * torch.rand(count, 2, generator=generator) - 1)
    return warp(images, turn(angle, window, window), shift, torch.full((count,), -1.0))


def geometry(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirrored, turned by up to 20 degrees and by right angles, zoomed by 0.7 to 1.6, shifted, squashed, framed.

    Each of these happens to some of the images.
    """
    count = len(images)

    def some(share: float, low: float, high: float) -> Tensor:
        return uniform(count, low, high, generator) * (torch.rand(count, generator=generator) < share)

    quarter = torch.randint(1, 4, (count,), generator=generator) * (torch.rand(count, generator=generator) < 0.2)
    angle = some(0.5, -20, 20) * math.pi / 180 + quarter * math.pi / 2
    flip = 1 - 2 * (torch.rand(count, generator=generator) < 0.4).float()
    window, aspect = some(0.6, math.log(0.62), math.log(1.42)).exp(), some(0.2, -0.25, 0.25).exp()
    room = (1 - window).abs() + some(0.3, 0.02, 0.15)
    shift = room[:, None] * (2 * torch.rand(count, 2, generator=generator) - 1)
    grey = torch.rand(count, generator=generator) * (torch.rand(count, generator=generator) < 0.5)
    fill = torch.where(torch.rand(count, generator=generator) < 0.5, grey, torch.tensor(-1.0))
    return warp(images, turn(angle, window * aspect * flip, window / aspect), shift, fill)


def turn(angle: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """[B, 2, 2]: windows of `across` by `down` of the sides, turned by `angle` (radians)."""
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = [torch.stack([cosine * across, -sine * down], 1), torch.stack([sine * across, cosine * down], 1)]
    return torch.stack(rows, 1)


def boxes(count: int, side: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """bool [count, 1, side, side]: a rectangle of `low` to `high` of the area, from 1:2 to 2:1, at a random place."""
    area, stretch = uniform(count, low, high, generator), uniform(count, -0.35, 0.35, generator).exp()
    size = torch.stack([(area**0.5 * stretch).clamp(max=1), (area**0.5 / stretch).clamp(max=1)], 1)
    size = torch.where(
        (size == 1).flip(1), area[:, None].expand(-1, 2), size
    )  # one side is full: the other is the area
    start = (1 - size) * torch.rand(count, 2, generator=generator)
    place = (torch.arange(side) + 0.5) / side
    inside = (place >= start[:, :, None]) & (place < (start + size)[:, :, None])
    return inside[:, 0, None, :, None] & inside[:, 1, None, None, :]


def occluded(images: Tensor, generator: torch.Generator) -> Tensor:
    """A rectangle of 10 to 50 % of the area in one grey."""
    hidden = boxes(len(images), images.shape[-1], 0.1, 0.5, generator).to(images.device)
    grey = torch.rand(len(images), 1, 1, 1, generator=generator).to(images.device)
    return torch.where(hidden, grey, images)


def mixed(images: Tensor, hosts: Tensor, generator: torch.Generator) -> Tensor:
    """A part of each image in its host [B, C, H, W], or the average of both; the image has `LEAST_SHARE` or more.

    Half of them are rectangles of 25 to 75 % of the area at their own place, half averages in which the image has 50
    to 90 %.
    """
    count = len(images)
    region = boxes(count, images.shape[-1], LEAST_SHARE, 0.75, generator)
    share = uniform(count, 0.5, 0.9, generator)[:, None, None, None]
    pasted = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    weight = torch.where(pasted, region.float(), share).to(images.device)
    return weight * images + (1 - weight) * hosts


def blurred(images: Tensor, generator: torch.Generator) -> Tensor:
    """By a Gaussian of 0.4 to 2.5 % of the side."""
    count, channels, height, width = images.shape
    deviation = width * uniform(count, 0.004, 0.025, generator)
    reach = max(math.ceil(0.06 * width), 1)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, 0).to(images.device)
    stack = F.pad(images.reshape(1, -1, height, width), (reach, reach, reach, reach), mode="replicate")
    stack = F.conv2d(stack, kernel[:, None, :, None], groups=len(kernel))
    return F.conv2d(stack, kernel[:, None, None, :], groups=len(kernel)).reshape(images.shape).clamp(0, 1)


def disguise(images: Tensor, generator: torch.Generator, codec: Codec | None = None) -> Tensor:
    """A random composition of what is done to one picture: geometry, exposure, what hides, what is lost.

    Two or three of these at once, as a rule: under all together a small network learns nothing.
    """
    images = on_some(images, 0.5, generator, lambda some: moved(some, generator))
    images = on_some(images, 0.35, generator, lambda some: geometry(some, generator))
    images = on_some(images, 0.5, generator, lambda some: gamma(some, generator, 0.55, 1.8))
    images = on_some(images, 0.08, generator, lambda some: 1 - some)
    images = on_some(images, 0.08, generator, lambda some: occluded(some, generator))
    if codec is not None:
        images = on_some(images, 0.2, generator, lambda some: codec_round_trip(some, codec))
    images = on_some(images, 0.2, generator, lambda some: blurred(some, generator))
    images = on_some(images, 0.4, generator, lambda some: noise(some, generator, 0.0, 0.08))
    return on_some(images, 0.08, generator, lambda some: jpeg(some, generator, 15, 90))
