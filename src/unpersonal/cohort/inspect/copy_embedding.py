"""Small maps, hashes and vectors of images by which copies are recognised.

Legend: n images, D components, m pairs; maps float32 [n, 32, 32], kept as int8. An embedding is a local-contrast map,
whitened by PCA, of unit length; a registered score is the largest cosine of two embeddings while either image is zoomed
in by up to 3 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from ...metrics.copies import SIDE, contrast_maps

DIMENSIONS = 128
"""Most components of the embedding; a quarter of the images if that is fewer, so that copies cannot shape it."""
FEW_IMAGES = 120
"""With fewer images there is no basis worth fitting; maps are then compared as they are, against PLAIN."""
RIDGE = 0.5
"""Added to the variances before whitening, in units of their mean over all 1,024 directions: keeps noise small."""
REDUNDANT = 0.95
"""Correlation of two maps above which only the first helps to fit the basis."""
ZOOMS = ((1.015, (-1.0, 0.0, 1.0)), (1.03, (-1.0, -0.5, 0.0, 0.5, 1.0)))
"""Zooms of the registration, along each axis on its own, and where in the picture each holds still (-1 to 1)."""
CHUNK = 512
MAP_SCALE = 32.0  # maps are kept as int8; their values are about 1, the largest about 4


@dataclass(frozen=True)
class Maps:
    """What one pass over the images keeps: maps int8 [n, 32, 32], hashes bool [n, 64], digests of the pixels [n]."""

    maps: np.ndarray
    bits: np.ndarray
    digests: list[str]


def read_maps(images: np.ndarray, digest: bool, advance: Callable[[int], None]) -> Maps:
    n, digests = len(images), []
    maps, bits = np.empty((n, SIDE, SIDE), np.int8), np.empty((n, 64), bool)
    step = max(1, min(CHUNK, 2**23 // math.prod(images.shape[1:])))
    for start in range(0, n, step):
        block = np.ascontiguousarray(images[start : start + step])
        small = thumbnails(block)
        maps[start : start + step] = pack_maps(contrast_maps(small[:, None]))
        bits[start : start + step] = perceptual_hash(small)
        if digest:
            digests += [blake2b(image, digest_size=16).hexdigest() for image in block]
        advance(len(block))
    return Maps(maps, bits, digests)


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Grey float32 [n, 32, 32] of uint8 [n, C, H, W]: channels averaged, then pixels over equal areas."""
    grey = images[:, 0].astype(np.float32) if images.shape[1] == 1 else images.mean(axis=1, dtype=np.float32)
    return area_weights(grey.shape[1], SIDE) @ grey @ area_weights(grey.shape[2], SIDE).T


def area_weights(size: int, side: int) -> np.ndarray:
    """float32 [side, size]: weights that average `size` pixels over `side` equal stretches."""
    edges, pixel = np.linspace(0.0, size, side + 1), np.arange(size)
    overlap = np.minimum(edges[1:, None], pixel + 1.0) - np.maximum(edges[:-1, None], pixel)
    weights = np.clip(overlap, 0.0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def perceptual_hash(small: np.ndarray) -> np.ndarray:
    """64 bits of each grey float32 [n, 32, 32], bool [n, 64].

    Whether each of the 8 x 8 lowest DCT-II coefficients lies above the median of those without the mean (Zauner,
    Implementation and benchmarking of perceptual image hash functions, 2010, section 3.2).
    """
    waves = np.cos(np.pi / SIDE * (np.arange(SIDE) + 0.5) * np.arange(8)[:, None]).astype(np.float32)
    low = (waves @ small @ waves.T).reshape(-1, 64)
    return low > np.median(low[:, 1:], axis=1, keepdims=True)


def pack_maps(maps: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(maps * MAP_SCALE), -127, 127).astype(np.int8)


def distinct_maps(maps: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """One map of each subject, without those that resemble an earlier one: copies must not shape the basis."""
    maps = maps[np.unique(subjects, return_index=True)[1]]
    flat = maps.reshape(len(maps), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return maps[~np.tril(flat @ flat.T > REDUNDANT, -1).any(axis=1)]


class Embedding:
    """Maps to unit vectors float32 [n, D]: projected on the cohort's principal components, variances made equal."""

    def __init__(self, maps: np.ndarray) -> None:
        flat = maps.reshape(len(maps), -1).astype(np.float32) / MAP_SCALE
        self.mean = flat.mean(axis=0)
        self.basis: np.ndarray | None = None
        if len(maps) < FEW_IMAGES:
            self.mean = np.full_like(self.mean, self.mean.mean())
            return
        centred = flat - self.mean
        variances, directions = np.linalg.eigh(centred.T @ centred / (len(flat) - 1))
        kept = slice(-min(DIMENSIONS, len(maps) // 4), None)
        scale = np.sqrt(np.maximum(variances[kept], 0) + RIDGE * variances.mean() + 1e-12)
        self.basis = (directions[:, kept] / scale).astype(np.float32)

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        flat = maps.reshape(len(maps), -1).astype(np.float32) - self.mean
        flat = flat if self.basis is None else flat @ self.basis
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        return np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-6)

    def packed(self, maps: np.ndarray) -> np.ndarray:
        """The vectors of int8 maps [n, 32, 32]."""
        rows = [self(_unpack(maps[start : start + CHUNK])) for start in range(0, len(maps), CHUNK)]
        return np.concatenate(rows)

    def registered(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Scores float32 [m] of pairs of int8 maps [m, 32, 32]: the largest cosine while either is zoomed in."""
        scores = np.empty(len(one), dtype=np.float32)
        for start in range(0, len(one), CHUNK):
            a, b = _unpack(one[start : start + CHUNK]), _unpack(other[start : start + CHUNK])
            scores[start : start + CHUNK] = np.maximum(self._zoomed(a, b), self._zoomed(b, a))
        return scores

    def _zoomed(self, moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        """Largest cosine over the zooms of `moving`, found one axis at a time: across, down, across again."""
        target, best = self(fixed), np.full(len(moving), -1.0, dtype=np.float32)
        chosen = np.zeros((2, len(moving)), dtype=np.int64)
        for axis in (0, 1, 0):
            for number, zoom in enumerate(_ZOOM_MATRICES):
                down, across = (_ZOOM_MATRICES[chosen[1]], zoom) if axis == 0 else (zoom, _ZOOM_MATRICES[chosen[0]])
                score = (self(down @ moving @ np.swapaxes(across, -1, -2)) * target).sum(axis=1)
                better = score > best
                best[better], chosen[axis, better] = score[better], number
        return best


def _unpack(maps: np.ndarray) -> np.ndarray:
    return maps.astype(np.float32) / np.float32(MAP_SCALE)


def _zoom_matrix(zoom: float, still: float) -> np.ndarray:
    """float32 [32, 32]: linear interpolation along one axis, zoomed in about `still`, -1 to 1."""
    centre = (SIDE - 1) / 2
    position = np.clip((np.arange(SIDE) - centre) / zoom + centre * (1 + still * (1 - 1 / zoom)), 0, SIDE - 1.001)
    left = position.astype(np.int64)
    weights = np.zeros((SIDE, SIDE), dtype=np.float32)
    weights[np.arange(SIDE), left] = 1 - (position - left)
    weights[np.arange(SIDE), left + 1] = position - left
    return weights


_ZOOM_MATRICES = np.stack(
    [np.eye(SIDE, dtype=np.float32), *(_zoom_matrix(zoom, still) for zoom, places in ZOOMS for still in places)]
)
