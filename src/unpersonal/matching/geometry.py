"""Affine maps between pictures, and what is seen under them.

A map is float32 [2, 3] in PyTorch's convention (`affine_grid`): it takes a place of the output to a place of the input,
both in [-1, 1] from edge to edge, x before y.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def affine(
    degrees: float = 0.0, zoom: tuple[float, float] = (1.0, 1.0), shift: tuple[float, float] = (0.0, 0.0)
) -> Tensor:
    """The map [2, 3] of a view that is turned, shows 1/`zoom` of the input along x and y, and is moved by `shift`."""
    import torch

    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, down = 1 / zoom[0], 1 / zoom[1]
    return torch.tensor([[cosine * across, -sine * down, shift[0]], [sine * across, cosine * down, shift[1]]])


def window(top: int, left: int, height: int, width: int, side: int) -> Tensor:
    """The map [2, 3] whose output is the window at `top`, `left` of a picture of `side` pixels."""
    shift = ((2 * left + width) / side - 1, (2 * top + height) / side - 1)
    return affine(zoom=(side / width, side / height), shift=shift)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Maps [n, 2, 3] that look through `inner` [2, 3] first: outer(inner(place))."""
    import torch

    whole = torch.cat([inner, inner.new_tensor([[0.0, 0.0, 1.0]])])
    turned: Tensor = outer @ whole
    return turned


def dihedral(pictures: Tensor, number: int) -> Tensor:
    """[n, s, s] by right angles, for `number` 0 to 7: turned `number` % 4 times, and mirrored from 4 on."""
    import torch

    turned = torch.rot90(pictures, number % 4, (1, 2))
    return turned.flip(2) if number >= 4 else turned


def view(pictures: Tensor, maps: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Pictures [n, s, s] under maps [n, 2, 3]: float32 [n, side, side], and bool of that shape: what lies inside them.

    Outside them their edge is repeated.
    """
    from torch.nn import functional as F

    grid = F.affine_grid(maps, [len(maps), 1, side, side], align_corners=False)
    seen = F.grid_sample(pictures[:, None], grid, padding_mode="border", align_corners=False)
    return seen[:, 0], grid.abs().amax(dim=-1) <= 1.0


def correlation(one: Tensor, two: Tensor, seen: Tensor) -> Tensor:
    """Normalised cross-correlation [n] of rows [n, p] over the entries that `seen` [n, p] (0 or 1) counts."""
    weight = seen.sum(dim=1, keepdim=True).clamp_min(1.0)
    first = (one - (one * seen).sum(dim=1, keepdim=True) / weight) * seen
    second = (two - (two * seen).sum(dim=1, keepdim=True) / weight) * seen
    lengths = (first.square().sum(dim=1) * second.square().sum(dim=1)).clamp_min(1e-12).sqrt()
    found: Tensor = (first * second).sum(dim=1) / lengths
    return found
