"""Canaries: images of nobody, each trained on or not by the toss of a coin, from which the audit bounds ε.

They are drawn and written before training. Only training ever reads them, and the audit after it: they are in no split
of the cohort, lend no condition to a draw, and stay out of the release.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.base import blocks
from ..codec.store import load_codec, load_images
from ..core.distributed import world
from ..core.errors import InputError
from ..core.pixels import to_float
from ..core.seeds import numpy_rng
from ..core.tensors import open_array, save_array
from .models import FOLDER

if TYPE_CHECKING:
    import torch

    from ..codec.base import Codec
    from ..cohort.table import Cohort
    from .rows import Rows

FILES = ("canaries.npy", "canaries_included.npy")
NOISE = 4.0
"""Standard deviation of the noise on a canary, grey levels out of 255."""


@dataclass(frozen=True)
class Canaries:
    """m images uint8 [m,C,H,W], whether each is trained on (`included` bool [m]), and the row of the cohort whose
    condition each has (`origin` int64 [m]).
    """

    images: np.ndarray
    included: np.ndarray
    origin: np.ndarray


def draw_canaries(images: np.ndarray, cohort: Cohort, count: int, seed: int) -> Canaries:
    """`count` canaries: means of the images of two train people, with noise; one fair coin each.

    Both people train whatever falls, so that a coin decides about nobody. `InputError` for fewer than two people.
    """
    rng, rows = numpy_rng(seed, "canaries"), cohort.rows("train")
    subjects = cohort.subjects[rows].astype(str)
    if len(np.unique(subjects)) < 2:
        raise InputError("A canary is made of two train people", where="[audit] canaries", how="set it to 0")
    first = rng.integers(0, len(rows), count)
    second = np.array([rng.choice(np.flatnonzero(subjects != subjects[i])) for i in first], dtype=np.int64)
    mean = (images[rows[first]].astype(np.float32) + images[rows[second]]) / 2
    noisy = np.clip(np.rint(mean + rng.normal(0.0, NOISE, mean.shape)), 0, 255).astype(np.uint8)
    return Canaries(noisy, rng.random(count) < 0.5, rows[first])


def write_canaries(study: Path, canaries: Canaries) -> None:
    """Write what the audit will read."""
    for name, array in zip(FILES, (canaries.images, canaries.included.astype(np.uint8)), strict=True):
        save_array(study.joinpath(*FOLDER, name), array)


def load_canaries(study: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Images uint8 [m,C,H,W] of the canaries and which were trained on, bool [m]; None where there are none."""
    paths = [study.joinpath(*FOLDER, name) for name in FILES]
    if not all(path.is_file() for path in paths):
        return None
    images, included = (np.array(open_array(path)) for path in paths)
    return images, included.astype(bool)


class Joined:
    """Rows of `first`, then those of the array `second`; draws from `first` where it holds distributions."""

    def __init__(self, first: Rows, second: np.ndarray) -> None:
        self._first, self._second = first, second

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of both together."""
        return (self._first.shape[0] + len(self._second), *self._first.shape[1:])

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._together(rows, lambda own: np.asarray(self._first[own]))

    def sample(self, rows: Any, generator: torch.Generator) -> np.ndarray:
        """Rows of which those of `first` are drawn."""
        draw = getattr(self._first, "sample", None)
        return self[rows] if draw is None else self._together(rows, lambda own: np.asarray(draw(own, generator)))

    def _together(self, rows: Any, read: Any) -> np.ndarray:
        numbers = np.arange(self.shape[0])[rows]
        own = numbers < self._first.shape[0]
        found = np.empty((len(numbers), *self._first.shape[1:]), dtype=np.float32)
        if own.any():
            found[own] = read(numbers[own])
        found[~own] = self._second[numbers[~own] - self._first.shape[0]]
        return found


@dataclass(frozen=True)
class Included:
    """The k canaries that are trained on: images uint8 [k,C,H,W], latents float32 [k,c,h,w], those of the mirrored,
    `origin` int64 [k].
    """

    images: np.ndarray
    latents: np.ndarray
    mirrored: np.ndarray
    origin: np.ndarray


def include_canaries(study: Path, cohort: Cohort, count: int, seed: int, device: torch.device) -> Included | None:
    """Draw `count` canaries, write them (the first process alone) and encode those that are trained on; None: none.

    What an earlier training with other canaries left is removed.
    """
    for name in FILES if world().first else ():
        study.joinpath(*FOLDER, name).unlink(missing_ok=True)
    if not count:
        return None
    canaries, codec = draw_canaries(load_images(study), cohort, count, seed), load_codec(study)
    if world().first:
        write_canaries(study, canaries)
    images = canaries.images[canaries.included]
    if not len(images):
        return None
    latents, mirrored = (_encoded(codec, each, device) for each in (images, images[:, :, :, ::-1]))
    return Included(images, latents, mirrored, canaries.origin[canaries.included])


def _encoded(codec: Codec, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Latents float32 [k,c,h,w] of images uint8 [k,C,H,W]."""
    parts = [codec.encode(to_float(images[part]).to(device)).cpu().numpy() for part in blocks(len(images))]
    return np.concatenate(parts)
