"""Affine maps between pictures, and what is seen under them.

A map is float32 [2, 3] in PyTorch's convention (`affine_grid`): it takes a place of the output to a place of the input,
both in [-1, 1] from edge to edge, x before y.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


EDGE = 1.0 + 1e-6
"""Half sides from the centre to the edge of a picture, with the rounding of a turn by right angles."""


def affine(
    degrees: float = 0.0, zoom: tuple[float, float] = (1.0, 1.0), shift: tuple[float, float] = (0.0, 0.0)
) -> Tensor:
    """The map [2, 3] of a view that is turned, shows 1/`zoom` of the input along x and y, and is moved by `shift`."""
    import torch

    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, down = 1 / zoom[0], 1 / zoom[1]
    rows = [[cosine * across, -sine * down, shift[0]], [sine * across, cosine * down, shift[1]]]
    return torch.tensor(rows, dtype=torch.float32)


def window(top: int, left: int, height: int, width: int, side: int) -> Tensor:
    """The map [2, 3] whose output is the window at `top`, `left` of a picture of `side` pixels."""
    shift = ((2 * left + width) / side - 1, (2 * top + height) / side - 1)
    return affine(zoom=(side / width, side / height), shift=shift)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Maps [n, 2, 3] that look through `inner` first: outer(inner(place)). One of them may be single."""
    import torch

    shift = outer[..., :, :2] @ inner[..., :, 2:] + outer[..., :, 2:]
    return torch.cat([outer[..., :, :2] @ inner[..., :, :2], shift], dim=-1)


def inverse(maps: Tensor) -> Tensor:
    """Maps [n, 2, 3] that lead back from maps [n, 2, 3]."""
    import torch

    back = torch.linalg.inv(maps[..., :, :2])
    return torch.cat([back, -back @ maps[..., :, 2:]], dim=-1)


def mirrored(maps: Tensor, which: Tensor) -> Tensor:
    """Maps [n, 2, 3] whose views are mirrored where `which` [n] says so."""
    sign = 1.0 - 2.0 * which.float()
    found = maps.clone()
    found[:, :, 0] *= sign[:, None]
    return found


def view(pictures: Tensor, maps: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Pictures [n, s, s] under maps [n, 2, 3]: float32 [n, side, side], and bool of that shape: what lies inside them.

    Outside them their edge is repeated.
    """
    import torch
    from torch.nn import functional as F

    place = (2 * torch.arange(side) + 1) / side - 1
    grid = torch.empty(len(maps), side, side, 2)
    for axis in (0, 1):
        across = maps[:, axis, 0, None] * place + maps[:, axis, 2, None]
        down = maps[:, axis, 1, None] * place
        torch.add(across[:, None, :], down[:, :, None], out=grid[..., axis])
    seen = F.grid_sample(pictures[:, None], grid, padding_mode="border", align_corners=False)
    inside = (grid[..., 0].abs() <= EDGE) & (grid[..., 1].abs() <= EDGE)
    return seen[:, 0], inside


def correlation(one: Tensor, two: Tensor, seen: Tensor) -> Tensor:
    """Normalised cross-correlation [n] of rows [n, p] over the entries that `seen` [n, p] (0 or 1) counts."""
    weight = seen.sum(dim=1, keepdim=True).clamp_min(1.0)
    first = (one - (one * seen).sum(dim=1, keepdim=True) / weight) * seen
    second = (two - (two * seen).sum(dim=1, keepdim=True) / weight) * seen
    lengths = (first.square().sum(dim=1) * second.square().sum(dim=1)).clamp_min(1e-12).sqrt()
    found: Tensor = (first * second).sum(dim=1) / lengths
    return found
