"""Isolation by tiles: "so many of the sixteen tiles within r of those of this released image": pieces of somebody.

A tile says something about somebody only as far as strangers differ there, so that the distance of a tile is measured
by that of strangers to the same tile of the same released image. How often tiles of strangers agree together is
counted, never multiplied: neighbouring tiles are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...matching.fields import contrast, grey, resized
from ..attack import AttackNeeds
from ..background import Background
from ..config import WeightConfig
from ..images import SubjectImages
from ..predicates import CertifiedFamilies, certify_comparison

GRID, TILE = 4, 8
"""Tiles a side, and their side in pixels of contrast maps."""
AGREEING = {"quarter": 4, "half": 8}
"""How many of the tiles have to agree."""
STRANGERS = 200
"""Images of strangers that measure the tiles, at most."""
LEAST = 0.25
"""Least scale of a tile as a share of the typical one: what is empty in everybody agrees by chance."""
FOUND_AT_ONCE = 256
"""Predicates compared at once: memory is bounded by this many rows of sixteen distances."""


def tiles(images: np.ndarray) -> np.ndarray:
    """float32 [n, 16, TILE²]: tiles of the contrast maps of uint8 [n, C, S, S]."""
    maps = contrast(resized(grey(np.ascontiguousarray(images)), GRID * TILE)).numpy()
    cut = maps.reshape(len(maps), GRID, TILE, GRID, TILE).transpose(0, 1, 3, 2, 4)
    return np.ascontiguousarray(cut.reshape(len(maps), GRID * GRID, TILE * TILE))


@dataclass(frozen=True)
class TileConjunction:
    """Tiles [p, 16, t] of released images, the strangers' distance to each [p, 16], and how many must agree."""

    tiles: np.ndarray
    scale: np.ndarray
    agreeing: int

    def __len__(self) -> int:
        return len(self.tiles)

    def people(self, given: SubjectImages) -> np.ndarray:
        """See `Comparison.people`."""
        return tiles(given.images)

    def compare(self, predicates: slice, people: np.ndarray) -> np.ndarray:
        """See `Comparison.compare`: distance of the last of the tiles that have to agree, in strangers' distances."""
        ours, scale = self.tiles[predicates], self.scale[predicates]
        found = np.empty((len(ours), len(people)), dtype=np.float32)
        for start in range(0, len(ours), FOUND_AT_ONCE):
            part = slice(start, start + FOUND_AT_ONCE)
            values = tile_distances(ours[part], people) / scale[part].T[:, :, None]
            found[part] = np.partition(values, self.agreeing - 1, axis=0)[self.agreeing - 1]
        return found


def tile_distances(ours: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Euclidean distances float32 [16, p, n] of tiles [p, 16, t] and [n, 16, t]."""
    a, b = ours.transpose(1, 0, 2), people.transpose(1, 2, 0)
    squared = (a * a).sum(axis=2)[:, :, None] + (b * b).sum(axis=1)[:, None, :] - 2.0 * (a @ b)
    found: np.ndarray = np.sqrt(np.maximum(squared, 0.0))
    return found


def strangers_scale(ours: np.ndarray, strangers: np.ndarray) -> np.ndarray:
    """Median distance of strangers [s, 16, t] to tiles [p, 16, t]: float32 [p, 16], at least `LEAST` of typical."""
    found = np.empty(ours.shape[:2], dtype=np.float32)
    for start in range(0, len(ours), FOUND_AT_ONCE):
        part = slice(start, start + FOUND_AT_ONCE)
        found[part] = np.median(tile_distances(ours[part], strangers), axis=2).T
    return np.maximum(found, LEAST * float(np.median(found)) + 1e-6)


class TileIsolationAttack:
    """A quarter and half of the tiles of a released image."""

    config = WeightConfig
    needs = AttackNeeds()

    def fit(self, background: Background, options: WeightConfig) -> CertifiedFamilies:
        """Measure tiles by the network's people, and fix how near they have to be by those who certify."""
        weight = options.primary(background.side, len(background.released))
        ours, network = tiles(np.array(background.released)), background.network.images
        scale = strangers_scale(ours, tiles(np.array(network[:: -(-len(network) // STRANGERS)])))
        return CertifiedFamilies(
            tuple(
                certify_comparison(TileConjunction(ours, scale, count), background, weight, name)
                for name, count in AGREEING.items()
            ),
            weight,
        )


ATTACK = TileIsolationAttack()
