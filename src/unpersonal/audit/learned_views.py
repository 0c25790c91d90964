"""Changed views of pictures, on which the audit's own network learns whom they show.

Legend: n pictures, s side in pixels, float32 grey values in [0, 255]. Turns by right angles, mirrors and negatives are
not among them: the network is shown a picture under all of these when it is used (`learned.LearnedMatcher`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..matching.geometry import view

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GAMMA = 0.5
"""Largest absolute logarithm of the exponent of a gamma change."""
BLENDED, PASTED = 0.3, 0.3
"""Shares of views that are blended with another picture, and of which only a window lies in another picture."""
LEAST = 0.5
"""Least weight of the own picture in a blend, and least side of its window in another picture."""
DEGREES, ZOOM, ASPECT, SHIFT = 20.0, 0.3, 0.2, 0.06
"""Largest turn, logarithms of zoom and of aspect, and shift in half sides."""
NOISE = 0.04
"""Largest standard deviation of noise as a share of the range."""


def changed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """One changed view [n, s, s] of each picture [n, s, s]; its partners are others of the same batch."""
    import torch

    count = len(pictures)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def sometimes(share: float, value: Tensor, otherwise: float) -> Tensor:
        return value.where(uniform(0, 1) < share, torch.full((count,), otherwise))

    def partners() -> Tensor:
        return light[torch.randperm(count, generator=generator)]

    light = (pictures / 255).clamp(0, 1) ** uniform(-GAMMA, GAMMA).exp()[:, None, None]
    weight = sometimes(BLENDED, uniform(LEAST, 1), 1.0)[:, None, None]
    mixed = weight * light + (1 - weight) * partners()
    whole = (uniform(0, 1) >= PASTED)[:, None, None]
    height, width = uniform(LEAST, 1), uniform(LEAST, 1)
    shown = _windows(height, width, uniform(0, 1), uniform(0, 1), pictures.shape[-1])
    mixed = mixed.where(whole | shown, partners())
    zoom, aspect = sometimes(0.5, uniform(-ZOOM, ZOOM), 0.0), sometimes(0.3, uniform(-ASPECT, ASPECT), 0.0)
    turn = sometimes(0.7, uniform(-DEGREES, DEGREES), 0.0) * (math.pi / 180)
    maps = _maps(turn, (zoom + aspect).exp(), (zoom - aspect).exp(), uniform(-1, 1), uniform(-1, 1))
    maps[:, :, 2] += torch.stack([uniform(-SHIFT, SHIFT), uniform(-SHIFT, SHIFT)], dim=1)
    seen, _ = view(mixed, maps, pictures.shape[-1])
    noise = torch.randn(seen.shape, generator=generator) * uniform(0, NOISE)[:, None, None]
    return 255 * (seen + noise)


def _windows(height: Tensor, width: Tensor, down: Tensor, across: Tensor, side: int) -> Tensor:
    """bool [n, side, side]: windows whose sides are shares [n] of the picture's, at places [n] in [0, 1]."""
    import torch

    place = (torch.arange(side) + 0.5) / side
    top, left = (down * (1 - height))[:, None], (across * (1 - width))[:, None]
    rows = (place >= top) & (place < top + height[:, None])
    columns = (place >= left) & (place < left + width[:, None])
    return rows[:, :, None] & columns[:, None, :]


def _maps(turn: Tensor, across: Tensor, down: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Maps [n, 2, 3] of turned and zoomed views, at places x and y [n] in [-1, 1] of what the zoom leaves free."""
    import torch

    free = (1 - 1 / torch.minimum(across, down)).abs()
    cosine, sine = turn.cos(), turn.sin()
    rows = [[cosine / across, -sine / down, x * free], [sine / across, cosine / down, y * free]]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
