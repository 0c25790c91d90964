"""Windows of pictures, and the directions along which their contrast is compared.

A direction is either even or odd under mirroring, so that one product of vectors compares two pictures and the same two
mirrored: even + odd, and even - odd. Directions are those of Fisher's linear discriminant (Fisher, 1936): strangers
differ most along them, a picture and itself slightly misplaced or framed least.

Legend: n images, s working side, w windows, d directions; float32 tensors on the CPU unless said otherwise.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from ..core.seeds import numpy_rng
from .fields import contrast, resized
from .geometry import affine, compose, inverse, view, window

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

MAP = 32
"""Side of the contrast maps that are compared."""
Shares = tuple[tuple[float, int], ...]
"""Shares of a picture's side that windows have, and pixels of the map from one window to the next."""
COARSE: Shares = ((0.6, 3), (0.66, 3), (0.73, 3), (0.8, 3), (0.86, 3), (0.93, 2))
"""Windows that all images are sought with."""
FINE: Shares = (*((share, 2) for share in (0.6, 0.64, 0.68, 0.72, 0.76, 0.8, 0.84, 0.88)), (0.94, 1))
"""Windows that the most likely images are sought with; refinement reaches what lies between."""
STRETCHED = tuple((across, 1.0) for across in (0.6, 0.7, 0.8, 0.9)) + tuple((1.0, d) for d in (0.6, 0.7, 0.8, 0.9))
"""Shares of width and height of windows in the middle: letterboxes, and pictures that were squashed."""
DIMENSIONS = 48
"""Directions of each parity."""
COARSE_DIMENSIONS = 32
"""Directions of each parity that all images are sought with."""
SAMPLED = 400
"""Images that directions are found with, at most."""
ROUNDS = 8
"""Windows that each of them is misplaced in."""
TURN, ZOOM, STRETCH, SHIFT = 3.0, 0.04, 0.02, 0.06
"""Largest misplacements: degrees, shares, shares, half sides."""
SPREAD = 0.3
"""Variance in every direction, as a share of the mean, that any two pictures of one thing may have."""
FLAT = 3.0
"""Grey levels of deviation below which a row or column at the edge is taken for a frame."""


@lru_cache(maxsize=4)
def window_maps(shares: Shares) -> Tensor:
    """The maps [w, 2, 3] of all windows, in the order of `window_vectors`."""
    import torch

    found = [
        window(top, left, MAP, MAP, _pyramid_side(share))
        for share, step in shares
        for top, left in _places(_pyramid_side(share), step)
    ] + [affine(zoom=(1 / across, 1 / down)) for across, down in STRETCHED]
    return torch.stack(found)


def window_vectors(pictures: Tensor, shares: Shares, directions: Tensor) -> Tensor:
    """float16 [n, w, d]: the contrast of every window of pictures [n, s, s] along directions [MAP², d]."""
    import torch

    found = torch.empty(len(pictures), len(window_maps(shares)), directions.shape[1], dtype=torch.float16)
    number = 0
    for share, step in shares:
        maps = contrast(resized(pictures, _pyramid_side(share)))
        for top, left in _places(_pyramid_side(share), step):
            found[:, number] = projected(maps[:, top : top + MAP, left : left + MAP], directions)
            number += 1
    for across, down in STRETCHED:
        stretched = affine(zoom=(1 / across, 1 / down)).expand(len(pictures), 2, 3)
        found[:, number] = projected(contrast(view(pictures, stretched, MAP)[0]), directions)
        number += 1
    return found


def projected(maps: Tensor, directions: Tensor) -> Tensor:
    """Maps [n, MAP, MAP] along directions [MAP², d], of unit length."""
    found = maps.flatten(1) @ directions
    return found / found.norm(dim=1, keepdim=True).clamp_min(1e-6)


def coarse_directions(directions: Tensor) -> Tensor:
    """The first `COARSE_DIMENSIONS` of each parity."""
    import torch

    half = directions.shape[1] // 2
    few = min(COARSE_DIMENSIONS, half)
    return torch.cat([directions[:, :few], directions[:, half : half + few]], dim=1)


def trimmed(pictures: Tensor) -> Tensor:
    """Maps [n, 2, 3] to what is left of pictures [n, s, s] without a flat frame of at most a quarter at each edge."""
    import torch

    side = pictures.shape[-1]

    def flat(lines: Tensor) -> Tensor:
        return (lines < FLAT).long().cumprod(dim=1).sum(dim=1).clamp(max=side // 4)

    rows, columns = pictures.std(dim=2), pictures.std(dim=1)
    top, left = flat(rows), flat(columns)
    height, width = side - top - flat(rows.flip(1)), side - left - flat(columns.flip(1))
    maps = torch.zeros(len(pictures), 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = width / side, height / side
    maps[:, 0, 2], maps[:, 1, 2] = (2 * left + width) / side - 1, (2 * top + height) / side - 1
    return maps


def discriminants(pictures: Tensor, seed: int) -> Tensor:
    """Directions [MAP², 2 · DIMENSIONS] of pictures [n, s, s], the even before the odd, the best of each first."""
    import torch

    some = pictures[:: max(len(pictures) // SAMPLED, 1)]
    maps, errors = _samples(some, numpy_rng(seed, "misplaced"))
    found = []
    for sign in (1, -1):
        between, within = (_parity(rows, sign) for rows in (maps, errors))
        total, error = (rows.T @ rows / len(rows) for rows in (between, within))
        error += SPREAD * total.diagonal().mean().clamp_min(1e-6) * torch.eye(len(error))
        root = torch.linalg.inv(torch.linalg.cholesky(error))
        _, turned = torch.linalg.eigh(root @ total @ root.T)  # the best last
        half = (root.T @ turned[:, -DIMENSIONS:]).flip(1).reshape(MAP, MAP // 2, DIMENSIONS)
        both = torch.cat([half, sign * half.flip(1)], dim=1).flatten(0, 1)
        found.append(both - both.mean(dim=0))
    return torch.cat(found, dim=1).contiguous()


def _parity(maps: Tensor, sign: int) -> Tensor:
    """The even (1) or odd (-1) part [n, MAP · MAP / 2] of maps [n, MAP, MAP] less their mean."""
    centred = maps - maps.mean(dim=(1, 2), keepdim=True)
    found: Tensor = (centred + sign * centred.flip(2))[:, :, : MAP // 2] / 2
    return found.flatten(1)


def _samples(pictures: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Maps of windows, and how far maps of the same, misplaced or framed, are from them."""
    import torch

    whole = contrast(resized(pictures, MAP))
    maps, errors = [whole], [contrast(view(pictures, _misplaced(len(pictures), rng), MAP)[0]) - whole]
    for round_ in range(ROUNDS):
        share, step = COARSE[round_ % len(COARSE)]
        side = _pyramid_side(share)
        places = _places(side, step)
        top, left = places[rng.integers(len(places))]
        rows, columns = slice(top, top + MAP), slice(left, left + MAP)
        near = compose(window(top, left, MAP, MAP, side)[None], _misplaced(len(pictures), rng))
        maps.append(contrast(resized(pictures, side))[:, rows, columns])
        errors.append(contrast(view(pictures, near, MAP)[0]) - maps[-1])
        seen, inside = view(pictures, inverse(near), pictures.shape[-1])
        grey = torch.from_numpy(rng.integers(0, 256, len(pictures)) * (rng.random(len(pictures)) < 0.5)).float()
        framed = seen.where(inside, grey[:, None, None])
        errors.append(contrast(resized(framed, side))[:, rows, columns] - whole)
    return torch.cat(maps), torch.cat(errors)


def _misplaced(count: int, rng: np.random.Generator) -> Tensor:
    import torch

    turns, zooms, stretches, across, down = (
        rng.uniform(-most, most, count) for most in (TURN, ZOOM, STRETCH, SHIFT, SHIFT)
    )
    return torch.stack(
        [
            affine(turn, ((1 + zoom) * (1 + stretch), (1 + zoom) / (1 + stretch)), (x, y))
            for turn, zoom, stretch, x, y in zip(turns, zooms, stretches, across, down, strict=True)
        ]
    )


def _pyramid_side(share: float) -> int:
    return round(MAP / share)


def _places(side: int, step: int) -> list[tuple[int, int]]:
    """Tops and lefts of windows of `MAP` pixels in a map of `side`, about `step` apart, from edge to edge."""
    steps = -(-(side - MAP) // step)
    offsets = [round(number * (side - MAP) / steps) for number in range(steps + 1)]
    return list(product(offsets, offsets))
