"""Closed-form copy detection: which reference image does a query resemble, and how closely? Nothing is learned.

Images become 32 x 32 local-contrast maps: area-averaged, smoothed, their background subtracted, divided by the local
contrast (Pinto et al., PLoS Computational Biology 2008), so that exposure, gamma and vignetting cancel and anatomy
stays. The score is the largest normalised cross-correlation (Lewis, 1995) of the query, over small shifts, rotations
and zooms, with the reference's central window. Mirror images are not searched: anatomy is not symmetric. As nothing is
fitted, train, control and strangers are measured with the same ruler.

Shapes: images uint8 [n, C, H, W]; maps float32 [n, 32, 32]; windows float32 [n, p], zero mean and unit length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

SIDE = 32
"""Working resolution, pixels."""

SHIFT = 2
"""Largest shift searched either way, working pixels (1/16 of the image)."""

SMOOTH = 0.6
"""Standard deviation of the low-pass filter, working pixels: less lets noise in, more makes strangers alike."""

POSES = ((0.0, 1.0), (4.0, 1.0), (-4.0, 1.0), (0.0, 0.87), (0.0, 0.93), (0.0, 1.07), (0.0, 1.14))
"""Rotations (degrees) and zooms of the query that are tried, each with every shift."""

BLUR = 3.0
"""Standard deviation of the background and of the contrast estimate, working pixels."""

MARGIN = 3
"""Working pixels left out at each edge of the reference's window; at least SHIFT, more to keep collimator edges out."""

FLOOR = 0.25
"""Least local contrast, as a share of the image's mean contrast: empty regions must not be blown up into patterns."""

LEAST_CONTRAST = 0.1
"""Grey levels; float32 rounding of an empty picture stays below it."""

LEAST_LENGTH = 0.05
"""Norm below which a window is empty; a window of anatomy has about 26."""


@dataclass(frozen=True)
class NearestCopy:
    """For each query its most similar reference."""

    score: np.ndarray
    """float32 [n] in [-1, 1]; 1 is the same picture up to brightness, contrast and a small shift."""
    reference: np.ndarray
    """int64 [n], row of the most similar reference; the lowest row wins a tie."""


def _area_average(size: int) -> np.ndarray:
    """float32 [SIDE, size]: weights that average `size` pixels into SIDE equal stretches."""
    edges = np.linspace(0.0, size, SIDE + 1)
    pixel = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixel + 1.0) - np.maximum(edges[:-1, None], pixel)
    weights = np.clip(overlap, 0.0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _gaussian_blur(deviation: float) -> np.ndarray:
    """float32 [SIDE, SIDE]: Gaussian weights, renormalised at the edges."""
    offset = np.arange(SIDE)[:, None] - np.arange(SIDE)
    weights = np.exp(-0.5 * (offset / deviation) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def contrast_maps(images: np.ndarray, chunk: int = 512) -> np.ndarray:
    """Local-contrast maps float32 [n, 32, 32] of images [n, C, H, W] (channels are averaged)."""
    if images.ndim != 4:
        raise ValueError(f"images must be [n, C, H, W], not of shape {images.shape}")
    smooth, blur = _gaussian_blur(SMOOTH), _gaussian_blur(BLUR)
    rows, columns = smooth @ _area_average(images.shape[2]), smooth @ _area_average(images.shape[3])
    maps = np.empty((images.shape[0], SIDE, SIDE), dtype=np.float32)
    for start in range(0, images.shape[0], chunk):
        grey = np.asarray(images[start : start + chunk]).mean(axis=1, dtype=np.float32)
        small = rows @ grey @ columns.T
        detail = small - blur @ small @ blur.T
        contrast = np.sqrt(np.clip(blur @ (detail * detail) @ blur.T, 0.0, None))
        floor = FLOOR * contrast.mean(axis=(1, 2), keepdims=True)
        maps[start : start + chunk] = detail / np.maximum(np.maximum(contrast, floor), LEAST_CONTRAST)
    return maps


def _posed(maps: np.ndarray, degrees: float, zoom: float) -> np.ndarray:
    """Maps turned and zoomed about their centre (bilinear, edges repeated), [n, 32, 32]."""
    if (degrees, zoom) == (0.0, 1.0):
        return maps
    angle, centre = np.deg2rad(degrees), (SIDE - 1) / 2
    down, right = np.meshgrid(np.arange(SIDE) - centre, np.arange(SIDE) - centre, indexing="ij")
    last = SIDE - 1.001
    y = np.clip((np.cos(angle) * down + np.sin(angle) * right) / zoom + centre, 0.0, last)
    x = np.clip((np.cos(angle) * right - np.sin(angle) * down) / zoom + centre, 0.0, last)
    top, left = y.astype(np.int64), x.astype(np.int64)
    dy, dx = (y - top).astype(np.float32), (x - left).astype(np.float32)
    above = maps[:, top, left] * (1 - dx) + maps[:, top, left + 1] * dx
    below = maps[:, top + 1, left] * (1 - dx) + maps[:, top + 1, left + 1] * dx
    return above * (1 - dy) + below * dy


def _windows(maps: np.ndarray, down: int, right: int) -> np.ndarray:
    """The window moved by (down, right), as unit vectors [n, p]; a window without contrast is all zeros."""
    inside = slice(MARGIN + down, SIDE - MARGIN + down), slice(MARGIN + right, SIDE - MARGIN + right)
    flat = maps[:, inside[0], inside[1]].reshape(maps.shape[0], -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > LEAST_LENGTH)


def similarity(
    queries: np.ndarray, references: np.ndarray, *, poses: Sequence[tuple[float, float]] = POSES
) -> np.ndarray:
    """Score of every pair, float32 [q, r], of contrast maps [q, 32, 32] and [r, 32, 32].

    One matrix product per pose and shift of the query.
    """
    against = _windows(references, 0, 0).T
    best = np.full((queries.shape[0], references.shape[0]), -1.0, dtype=np.float32)
    steps = range(-SHIFT, SHIFT + 1)
    for degrees, zoom in poses:
        posed = _posed(queries, degrees, zoom)
        for down, right in product(steps, steps):
            np.maximum(best, _windows(posed, down, right) @ against, out=best)
    return np.clip(best, -1.0, 1.0)


def nearest_copy(
    queries: np.ndarray, references: np.ndarray, *, exclude: np.ndarray | None = None, chunk: int = 256
) -> NearestCopy:
    """The most similar reference of every query.

    `queries` uint8 [q, C, H, W], `references` uint8 [r, C', H', W'] (any sizes), handled `chunk` queries at a time.
    `exclude` bool [q, r] bars pairs, as of a subject with itself; a query all of whose references are barred gets -1.
    """
    if queries.shape[0] == 0 or references.shape[0] == 0:
        raise ValueError("copy detection needs at least one query and one reference")
    return best_match(contrast_maps(queries), contrast_maps(references), exclude=exclude, chunk=chunk)


def best_match(
    query_maps: np.ndarray, reference_maps: np.ndarray, *, exclude: np.ndarray | None = None, chunk: int = 256
) -> NearestCopy:
    """As `nearest_copy`, of contrast maps [q, 32, 32] and [r, 32, 32]; r > 0."""
    score = np.empty(query_maps.shape[0], dtype=np.float32)
    index = np.empty(query_maps.shape[0], dtype=np.int64)
    for start in range(0, query_maps.shape[0], chunk):
        rows = slice(start, min(start + chunk, query_maps.shape[0]))
        block = similarity(query_maps[rows], reference_maps)
        if exclude is not None:
            block[exclude[rows]] = -1.0
        index[rows] = block.argmax(axis=1)
        score[rows] = block.max(axis=1)
    return NearestCopy(score=score, reference=index)
