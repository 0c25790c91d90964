"""What matchers look at instead of grey values: local contrast, and a whitened band of fine detail.

Both are closed forms, so that nobody's pictures have shaped them. Legend: n images, s working side in pixels, float32
tensors on the CPU.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 64
"""Pixels a side that matchers work at, at most."""
BACKGROUND = 3.0
"""Standard deviation of the background and of the contrast estimate of `contrast`, pixels of its maps."""
SMOOTH = 0.6
"""Standard deviation of the low-pass filter of `contrast`, pixels of its maps."""
FLOOR = 0.25
"""Least local contrast as a share of the map's mean: empty regions must not be blown up into patterns."""
LEAST_CONTRAST = 0.1
"""Grey levels; float32 rounding of an empty picture stays below it."""
FINE, COARSE = 0.5, 2.0
"""Standard deviations of the two low-pass filters whose difference is the band of `fine_detail`, working pixels."""
LEAST_DETAIL = 0.3
"""Grey levels added to the typical detail of a place: where nobody has any, noise must not count."""
OVERSAMPLED = 10
"""Directions sought beyond those wanted."""
ITERATIONS = 3
"""Rounds of the subspace iteration."""
CHUNK = 64
"""Images that are filtered at once, so that they stay in the cache."""


def working_side(size: int) -> int:
    """The side in pixels at which images of `size` pixels are compared."""
    return min(size, SIDE)


def grey(images: np.ndarray) -> Tensor:
    """float32 [n, s, s] of uint8 [n, C, H, W]: channels averaged, brought down to `working_side`.

    Raises `ValueError` for images that are not square.
    """
    import torch

    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError(f"images must be [n, C, S, S], not of shape {images.shape}")
    side = working_side(images.shape[-1])
    out = torch.empty(len(images), side, side)
    for start in range(0, len(images), CHUNK):
        mean = np.asarray(images[start : start + CHUNK]).mean(axis=1, dtype=np.float32)
        out[start : start + CHUNK] = resized(torch.from_numpy(mean), side)
    return out


def resized(pictures: Tensor, side: int) -> Tensor:
    """[n, side, side] of [n, s, s]: whole blocks are averaged where they fit, else a triangle filters (antialiased)."""
    from torch.nn import functional as F

    size = pictures.shape[-1]
    if size == side:
        return pictures
    if size % side == 0:
        return F.avg_pool2d(pictures[:, None], size // side)[:, 0]
    found = F.interpolate(
        pictures[:, None], size=(side, side), mode="bilinear", antialias=side < size, align_corners=False
    )
    return found[:, 0]


@lru_cache(maxsize=32)
def gaussian(deviation: float, side: int) -> Tensor:
    """[side, side]: Gaussian weights, renormalised at the edges; `w @ x @ w.T` is the filtered picture."""
    import torch

    offset = torch.arange(side)[:, None] - torch.arange(side)
    weights = torch.exp(-0.5 * (offset / deviation) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)


def contrast(pictures: Tensor) -> Tensor:
    """Local contrast [n, s, s] of [n, s, s] (Pinto et al., PLoS Computational Biology 2008).

    The background is subtracted and the rest divided by the local contrast, so that exposure and vignetting cancel.
    """
    import torch

    side = pictures.shape[-1]
    smooth, blur = gaussian(SMOOTH, side), gaussian(BACKGROUND, side)
    found = torch.empty_like(pictures)
    for start in range(0, len(pictures), CHUNK):
        kept = smooth @ pictures[start : start + CHUNK] @ smooth.T
        detail = kept - blur @ kept @ blur.T
        level = (blur @ (detail * detail) @ blur.T).clamp_min(0).sqrt()
        floor = (FLOOR * level.mean(dim=(1, 2), keepdim=True)).clamp_min(LEAST_CONTRAST)
        found[start : start + CHUNK] = detail / torch.maximum(level, floor)
    return found


def fine_detail(pictures: Tensor) -> Tensor:
    """The band of fine detail [n, s, s] of [n, s, s]: linear, so that a mixture's band is the mixture of the bands."""
    import torch

    fine, coarse = (gaussian(deviation, pictures.shape[-1]) for deviation in (FINE, COARSE))
    found = torch.empty_like(pictures)
    for start in range(0, len(pictures), CHUNK):
        kept = fine @ pictures[start : start + CHUNK] @ fine.T
        found[start : start + CHUNK] = kept - coarse @ kept @ coarse.T
    return found


def typical_detail(bands: Tensor) -> Tensor:
    """[s, s]: root mean square of bands [n, s, s] over images, the divisor that whitens a band."""
    return (bands * bands).mean(dim=0).sqrt() + LEAST_DETAIL


def unit_rows(values: Tensor, least: float = 1e-6) -> Tensor:
    """Rows [n, p] with mean 0 and length 1; a row shorter than `least` stays shorter than 1."""
    centred = values - values.mean(dim=1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(least)


def leading_directions(rows: Tensor, count: int, most: int = 3000) -> Tensor:
    """Orthonormal columns [p, count] along which rows [n, p] are about the longest; `most` evenly spaced rows are read.

    Randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.4) with a fixed seed: the
    result follows from the rows alone.
    """
    import torch

    kept = rows[:: max(len(rows) // most, 1)]
    count = min(count, *kept.shape)
    width = min(count + OVERSAMPLED, *kept.shape)
    sketch = torch.randn(kept.shape[1], width, generator=torch.Generator().manual_seed(0))
    for _ in range(ITERATIONS):
        sketch, _ = torch.linalg.qr(kept.T @ (kept @ sketch))
    inside = kept @ sketch
    _, turned = torch.linalg.eigh(inside.T @ inside)  # the longest last
    return (sketch @ turned[:, -count:]).contiguous()
