"""Attribute inference: whoever knows half of a person's image reads the other half off the release?

What is guessed is whether each tile of the unknown half is brighter than auxiliary people lead to expect of the known
half. Control subjects show how often such a guess is right without a leak: people who are alike in one half are so,
a little, in the other. Needs no labels. Shapes: n images, s side after resizing, q principal axes, t tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ...core.config import Config
from ...core.seeds import derive_seed
from ..attack import AttackNeeds, Guesses
from ..background import Background
from ..target import Target
from .inference_label import mean_by_subject, nearest_rows

SIDE = 32
TILES = 4
"""Tiles along the side of an image; an unknown half has 2 × 4 of them."""
QUARTERS = range(4)
"""Quarter turns: the known half is the upper, right, lower and left one."""
PENALTIES = tuple(10.0**power for power in range(-1, 5))
"""Ridge penalties of which leave-one-out error chooses one."""


@dataclass(frozen=True)
class Half:
    """What was learnt of one known half: principal axes, what they say of the other half, and the released images.

    `points` float32 [2m, q] and `brighter` bool [2m, t] are those of the released images and of these mirrored.
    """

    axes: Any
    ridge: Any
    points: np.ndarray
    brighter: np.ndarray

    def right(self, grey: np.ndarray, quarter: int) -> np.ndarray:
        """Share of right guesses about each of grey images [n, s, s], float64 [n]."""
        points, brighter = _seen(self.axes, self.ridge, grey, quarter)
        found: np.ndarray = (self.brighter[nearest_rows(points, self.points)] == brighter).mean(axis=1)
        return found


@dataclass(frozen=True)
class FittedAttributeInference:
    """The attack with every half in place."""

    halves: tuple[Half, ...]

    def run(self, target: Target) -> tuple[Guesses, ...]:
        """Share of right guesses about every subject, over all halves and images."""
        grey = as_grey(target.images)
        right = np.mean([half.right(grey, quarter) for quarter, half in zip(QUARTERS, self.halves, strict=True)], 0)
        _, subject = np.unique(target.subjects, return_inverse=True)
        return (Guesses(mean_by_subject(right, subject)),)


def as_grey(images: np.ndarray) -> np.ndarray:
    """Images uint8 [n,C,H,W] in grey, box-resized: float32 [n, s, s]."""
    found = np.empty((len(images), SIDE, SIDE), dtype=np.float32)
    for i, image in enumerate(images):
        whole = Image.fromarray(np.asarray(image, dtype=np.float32).mean(axis=0))
        found[i] = np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.BOX))
    return found


def known_and_unknown(grey: np.ndarray, quarter: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the known half float32 [n, s²/2], and mean greys of the tiles of the other half float32 [n, t].

    Both are measured in the mean and standard deviation of the known half, which are all the attacker has.
    """
    turned = np.rot90(grey, quarter, axes=(1, 2))
    known, unknown = turned[:, : SIDE // 2], turned[:, SIDE // 2 :]
    mean, spread = known.mean(axis=(1, 2)), known.std(axis=(1, 2)) + 1.0
    tile = SIDE // TILES
    tiles = unknown.reshape(len(grey), TILES // 2, tile, TILES, tile).mean(axis=(2, 4)).reshape(len(grey), -1)
    pixels = (known - mean[:, None, None]) / spread[:, None, None]
    return pixels.reshape(len(grey), -1), (tiles - mean[:, None]) / spread[:, None]


def _seen(axes: Any, ridge: Any, grey: np.ndarray, quarter: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the known half, and which tiles of the other half are brighter than these lead to expect."""
    known, tiles = known_and_unknown(grey, quarter)
    points = axes.transform(known).astype(np.float32)
    return points, tiles > ridge.predict(points)


def fit_half(people: np.ndarray, released: np.ndarray, quarter: int, components: int, seed: int) -> Half:
    """What one half says of the other, of grey `people` and `released` [n, s, s], and the latter taken apart."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import RidgeCV

    known, tiles = known_and_unknown(people, quarter)
    axes = PCA(max(1, min(components, len(people) // 2)), random_state=seed).fit(known)
    ridge = RidgeCV(PENALTIES).fit(axes.transform(known), tiles)
    return Half(axes, ridge, *_seen(axes, ridge, np.concatenate([released, released[:, :, ::-1]]), quarter))


class AttributeInferenceAttack:
    """The other half of the released image whose one half is nearest to that of a person."""

    config = Config
    needs = AttackNeeds()

    def fit(self, background: Background, options: Config) -> FittedAttributeInference:
        """Learn from auxiliary people what one half says of the other, and take the release apart."""
        people, released = as_grey(background.network.images), as_grey(background.released)
        components, seed = background.config.components, derive_seed(background.seed, "audit", "halves") % 2**32
        return FittedAttributeInference(
            tuple(fit_half(people, released, quarter, components, seed) for quarter in QUARTERS)
        )


ATTACK = AttributeInferenceAttack()
