"""How alike are two pictures at a pose, and at the best pose near it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .fields import contrast
from .geometry import compose, correlation, view

if TYPE_CHECKING:
    from torch import Tensor

LEAST_SEEN = 200
"""Pixels of a map of 32 that both pictures must show: fewer are alike by chance."""
STEPS = 5
"""Steps of Gauss and Newton."""
LARGEST = 0.1
"""Largest change of a map's entry in one step, half sides."""
DAMPING = 1e-3
"""Added to the normal equations, as a share of their diagonal."""
UNKNOWNS = 8
"""Six of an affine map, a gain and an offset."""
TOGETHER = 64
"""Pictures refined at once, so that they stay in the cache."""
LEAST_GAIN = 0.2
"""Gain of one map over the other below which a step would be divided by next to nothing."""


class Refined(NamedTuple):
    """The largest correlation [n] of the poses that were tried, and the maps [n, 2, 3] that reached it."""

    score: Tensor
    maps: Tensor


def alike(query: Tensor, query_inside: Tensor, seen: Tensor, inside: Tensor) -> Tensor:
    """Correlation [n], without its sign, of contrast maps [n, m, m] where both show something; 0 if that is little."""
    both = (inside & query_inside).flatten(1).float()
    found = correlation(query.flatten(1), seen.flatten(1), both).abs()
    return found.where(both.sum(dim=1) >= LEAST_SEEN * query.shape[-1] ** 2 / 1024, 0.0)


def posed(pictures: Tensor, maps: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Contrast [n, side, side] of pictures [n, s, s] under maps [n, 2, 3], and bool: what lies inside the picture."""
    seen, inside = view(pictures, maps, side)
    return contrast(seen), inside


def refined(query: Tensor, query_inside: Tensor, pictures: Tensor, maps: Tensor, steps: int = STEPS) -> Refined:
    """The best of poses that `steps` steps lead to from `maps` [n, 2, 3], for contrast maps [n, m, m].

    Each step solves for the affine move, the gain and the offset that explain the query best in pictures [n, s, s], as
    in Lucas and Kanade (1981), with the gain free, so that a negative is followed as well (compare Evangelidis and
    Psarakis, IEEE TPAMI 2008).
    """
    import torch

    best, where = torch.empty(len(query)), torch.empty_like(maps)
    for start in range(0, len(query), TOGETHER):
        part = slice(start, start + TOGETHER)
        best[part], where[part] = _refined(query[part], query_inside[part], pictures[part], maps[part], steps)
    return Refined(best, where)


def _refined(query: Tensor, query_inside: Tensor, pictures: Tensor, maps: Tensor, steps: int) -> Refined:
    import torch

    best, where = query.new_full((len(query),), -1.0), maps
    for step in range(steps + 1):
        seen, inside = posed(pictures, maps, query.shape[-1])
        found = alike(query, query_inside, seen, inside)
        where = torch.where((found > best)[:, None, None], maps, where)
        best = torch.maximum(best, found)
        if step < steps:
            maps = compose(maps, _move(query, seen, (inside & query_inside).float()))
    return Refined(best, where)


def _move(query: Tensor, seen: Tensor, weight: Tensor) -> Tensor:
    """Maps [n, 2, 3] near the identity that bring `seen` closer to `query`, both [n, m, m]."""
    import torch

    count, side, _ = seen.shape
    place = (2 * torch.arange(side) + 1) / side - 1
    columns = seen.new_zeros(count, UNKNOWNS, side, side)
    across, down = columns[:, 2], columns[:, 5]
    torch.sub(seen[:, :, 2:], seen[:, :, :-2], out=across[:, :, 1:-1])
    torch.sub(seen[:, 2:], seen[:, :-2], out=down[:, 1:-1])
    for slope, first in ((across, 0), (down, 3)):
        slope *= side / 4
        torch.mul(slope, place, out=columns[:, first])
        torch.mul(slope, place[:, None], out=columns[:, first + 1])
    columns[:, 6], columns[:, 7] = seen, 1.0
    weighted = (columns * weight[:, None]).flatten(2)
    normal = weighted @ columns.flatten(2).transpose(1, 2)
    wanted = weighted @ query.flatten(1)[:, :, None]
    diagonal = normal.diagonal(dim1=1, dim2=2)
    diagonal += DAMPING * diagonal + 1e-6
    found = torch.linalg.solve(normal, wanted)[:, :, 0]
    gain = found[:, 6:7]
    gain = gain.where(gain.abs() >= LEAST_GAIN, torch.copysign(torch.full_like(gain, LEAST_GAIN), gain))
    change = (found[:, :6] / gain).clamp(-LARGEST, LARGEST).view(count, 2, 3)
    change[:, 0, 0] += 1.0
    change[:, 1, 1] += 1.0
    return change
