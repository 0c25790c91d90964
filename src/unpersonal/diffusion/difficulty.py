"""How hard images are to denoise, told by closed forms: covariates of the gap (`gap.measure_gap`).

All of them are fitted on the other half of the people of both sides, so that train people are as unknown to them as
held-out ones. Legend: n images of both sides, c channels and h, w cells of a latent, D numbers of a reduced one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..codec.base import blocks
from ..core.seeds import numpy_rng
from .rows import Rows

LARGEST = 1024
"""D at most: covariances are D x D, and larger latents are averaged over neighbouring cells."""
BANDS = 12
"""Bands of principal components."""
GRID = 4
"""Places in height and in width whose energies are told apart."""
FLOOR = 1e-6
FEWEST = 8
"""Images of a half at least: of fewer a covariance says nothing."""


@dataclass(frozen=True)
class Gauss:
    """Mean image [c, h, w], mean [D], principal variances [D] (falling, with a floor), directions [D, D] of images."""

    image: np.ndarray
    mean: np.ndarray
    variances: np.ndarray
    directions: np.ndarray

    @classmethod
    def fit(cls, latents: np.ndarray) -> Gauss:
        """Of `latents` [n, c, h, w]."""
        flat, _ = _reduced(latents)
        mean = flat.mean(axis=0)
        variances, directions = np.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
        floor = 0.01 * float(variances.mean()) + FLOOR
        return cls(latents.mean(axis=0), mean, np.maximum(variances[::-1], 0) + floor, directions[:, ::-1])

    def bands(self, latents: np.ndarray) -> np.ndarray:
        """Energies [n, bands] of images [n, c, h, w] in bands of directions."""
        parts = (_reduced(latents)[0] - self.mean) @ self.directions
        edges = np.unique(np.rint(np.geomspace(1, parts.shape[1] + 1, BANDS + 1)).astype(np.int64)) - 1
        return np.stack([(parts[:, a:b] ** 2).mean(axis=1) for a, b in pairwise(edges)], axis=1)

    def error(self, latents: np.ndarray, noise: np.ndarray, level: float) -> np.ndarray:
        """Mean squared error [n] of the linear denoiser at latents + level · noise, each [n, c, h, w].

        It keeps the share v / (v + level²) of a component of variance v (Wiener, 1949).
        """
        parts = (_reduced(latents)[0] - self.mean) @ self.directions
        drawn, scale = _reduced(noise)
        share = self.variances / (self.variances + (level * scale) ** 2)
        return np.asarray(((share * (parts + level * drawn @ self.directions) - parts) ** 2).mean(axis=1))


class Difficulty:
    """Covariates of `train`, one image a person, and then of `held_out`, `people` int64 [m] of whom.

    `seed` decides who is in which half. `known` is float64 [n, p]; with too few images it has no columns.
    """

    def __init__(self, train: Rows, held_out: Rows, people: np.ndarray, seed: int) -> None:
        latents = np.concatenate([_read(train), _read(held_out)])
        owners = np.concatenate([np.arange(train.shape[0]), train.shape[0] + people])
        self._half = numpy_rng(seed, "difficulty").permutation(int(owners.max(initial=0)) + 1)[owners] % 2
        self._others: list[Gauss] = []
        self.known = np.zeros((len(latents), 0))
        if np.bincount(self._half, minlength=2).min() >= FEWEST:
            self._others = [Gauss.fit(latents[self._half != half]) for half in (0, 1)]
            found = [_described(latents[self._half == half], self._others[half]) for half in (0, 1)]
            self.known = np.empty((len(latents), found[0].shape[1]))
            for half in (0, 1):
                self.known[self._half == half] = found[half]

    def drawn(self, rows: np.ndarray, x: np.ndarray, noise: np.ndarray, level: float, sigma_data: float) -> np.ndarray:
        """What is known of the draw `noise` on the images `x` [n, c, h, w] that are `rows` of both sides: [n, p].

        Mean squared errors, and their logarithms, of the network before training, which keeps the share c_skip of its
        input (arXiv 2206.00364, table 1), and of the linear denoiser.
        """
        share = sigma_data**2 / (level**2 + sigma_data**2)
        found = [((share * (x + level * noise) - x) ** 2).mean(axis=(1, 2, 3), dtype=np.float64)]
        if self._others:
            small, drawn = _fewer(x), _fewer(noise)
            linear = np.empty(len(x))
            for half in (0, 1):
                here = self._half[rows] == half
                linear[here] = self._others[half].error(small[here], drawn[here], level)
            found.append(linear)
        return np.stack([*found, *(np.log(each + FLOOR) for each in found)], axis=1)


def _described(latents: np.ndarray, others: Gauss) -> np.ndarray:
    """Logarithms [n, p] of energy and steepness by channel, of energy by place and by band."""
    squares = (latents - others.image).astype(np.float64) ** 2
    steep = np.zeros(latents.shape[:2])
    for axis in (2, 3) if min(latents.shape[2:]) > 1 else ():
        steep += (np.diff(latents, axis=axis) ** 2).mean(axis=(2, 3), dtype=np.float64)
    places = squares.mean(axis=1)
    for axis in (1, 2):
        places = np.add.reduceat(places, np.unique(np.arange(GRID) * places.shape[axis] // GRID), axis=axis)
    parts = (squares.mean(axis=(2, 3)), steep, places.reshape(len(places), -1), others.bands(latents))
    return np.log(np.concatenate(parts, axis=1) + FLOOR)


def _read(rows: Rows) -> np.ndarray:
    """All rows, float32 [n, c, h, w], read in blocks and averaged over cells until there are few."""
    parts = [_fewer(np.asarray(rows[np.arange(b.start, b.stop)], np.float32)) for b in blocks(rows.shape[0])]
    return np.concatenate(parts)


def _fewer(latents: np.ndarray, most: int = 4 * LARGEST) -> np.ndarray:
    """`latents` [n, c, h, w] averaged over 2 x 2 cells until an image has `most` numbers or an odd side."""
    while math.prod(latents.shape[1:]) > most and not latents.shape[2] % 2 and not latents.shape[3] % 2:
        n, c, h, w = latents.shape
        latents = latents.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))
    return latents


def _reduced(latents: np.ndarray) -> tuple[np.ndarray, float]:
    """float64 [n, D]: averaged over cells, then over channels, then cut, as far as D asks; and what unit noise in
    `latents` is of there."""
    small = _fewer(latents, LARGEST)
    cells, size = (math.prod(each.shape[1:]) for each in (latents, small))
    scale = (size / cells) ** 0.5
    if size > LARGEST:
        scale /= small.shape[1] ** 0.5
        small = small.mean(axis=1, keepdims=True)
    return small.reshape(len(small), math.prod(small.shape[1:]))[:, :LARGEST].astype(np.float64), scale
