"""Rows of arrays that may live on disk, the order in which training meets them, and what one step draws.

Legend: B images of a step, c channels and h, w cells of a latent, L length of a condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..codec import base
from ..core.seeds import numpy_rng, torch_generator
from .config import AUGMENT_DIM, MIRROR, DiffusionConfig
from .loss import sigma_from_normal
from .noise import keyed_noise


class Rows(Protocol):
    """An array or a view of one that gives rows for an int64 array of numbers; may live on disk."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Any) -> np.ndarray: ...


Examples = tuple[Rows, Rows | None]
"""Latents, and the conditions of the same images where there are any."""


class DrawnRows(base.RowView):
    """The rows `rows` of `array`, read only when asked for, of an array that may hold distributions."""

    def sample(self, rows: Any, generator: torch.Generator) -> np.ndarray:
        """A draw of each row where the array holds distributions (the posterior of a codec), else the row itself."""
        draw = getattr(self._array, "sample", None)
        return self[rows] if draw is None else np.asarray(draw(self._rows[rows], generator))


class EpochOrder:
    """Row numbers per step: every row once per epoch, in an order that follows from `seed` and `name`."""

    def __init__(self, rows: int, batch: int, seed: int, name: str) -> None:
        self._rows, self._batch, self._key = rows, batch, (seed, name)
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def at(self, step: int) -> np.ndarray:
        """The int64 [batch] rows of `step`; a batch may reach over the end of an epoch."""
        positions = step * self._batch + np.arange(self._batch, dtype=np.int64)
        return np.array([self._row(position) for position in positions.tolist()], dtype=np.int64)

    def _row(self, position: int) -> int:
        epoch, place = divmod(position, self._rows)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = numpy_rng(self._key[0], self._key[1], "epoch", epoch).permutation(self._rows)
        return int(self._order[place])


def to_tensor(values: np.ndarray, device: torch.device) -> Tensor:
    """A float32 tensor of its own on `device`."""
    # a read-only array may not become a tensor
    return torch.from_numpy(np.array(values, dtype=np.float32)).to(device)


def noisy_conditions(
    conditions: Tensor, length: float, generator: torch.Generator, scale: Tensor | None = None
) -> Tensor:
    """`conditions` [B, L] plus Gaussian noise of expected squared length `length`², scaled back to unit length.

    The denoiser meets blends of conditions later; noise in training keeps it from tying an image to one exact vector.
    `scale` [L] says how much each column gets (see `features.store.noise_scale`); by default all get the same.
    """
    if length == 0:
        return conditions
    noise = torch.randn(conditions.shape, generator=generator).to(conditions.device)
    each = length / conditions.shape[1] ** 0.5 if scale is None else length * scale.to(conditions.device)
    return F.normalize(conditions + noise * each, dim=1)


@dataclass(frozen=True)
class Batch:
    """What one process needs of one step: latents and noise [B, c, h, w], sigma [B, 1, 1, 1], labels [B, L] or None.

    `augment` [B, a]: what the network is told of augmented views; None where it is told nothing. `noised` [B, 1, 1, 1]:
    the level to which latents were noised already, see `loss.ambient_loss`; None where none were.
    """

    latents: Tensor
    sigma: Tensor
    noise: Tensor
    labels: Tensor | None
    augment: Tensor | None = None
    noised: Tensor | None = None

    def rows(self, rows: slice) -> Batch:
        """Some of its images."""
        labels, augment, noised = (
            None if part is None else part[rows] for part in (self.labels, self.augment, self.noised)
        )
        return Batch(self.latents[rows], self.sigma[rows], self.noise[rows], labels, augment, noised)


@dataclass(frozen=True)
class Augmented:
    """Latents [n·m, c, h, w] of m views of each image, one image after the other, and their values [n·m, a]."""

    latents: Rows
    values: np.ndarray
    each: int


@dataclass(frozen=True)
class Ambient:
    """What the configuration's `ambient_sigma` needs of the n images: a name of each, of which its noise is a function,
    and whether it may be seen clean (bool [n])."""

    names: Sequence[str]
    clean: np.ndarray


class Batches:
    """The batch of every step, drawn from generators that follow from the step alone.

    Every process draws the whole batch and keeps its share: the training is the same however many share it. `flipped`
    holds the latents of the mirrored images, from which a fair coin picks, `augmented` views of all of them, which are
    shown with the configuration's probability `augment`. `ambient`: whose noise is which, and who is seen clean;
    without it images are called by their numbers, and all are seen. `noise_scale` [L]: see `noisy_conditions`.
    """

    def __init__(
        self,
        latents: Rows,
        conditions: Rows | None,
        config: DiffusionConfig,
        *,
        seed: int,
        name: str,
        flipped: Rows | None = None,
        augmented: Augmented | None = None,
        ambient: Ambient | None = None,
        noise_scale: np.ndarray | None = None,
    ) -> None:
        self._scale = None if noise_scale is None else torch.from_numpy(np.array(noise_scale, np.float32))
        self._latents, self._conditions, self._flipped, self._augmented = latents, conditions, flipped, augmented
        count = latents.shape[0]
        self._ambient = ambient or Ambient([str(row) for row in range(count)], np.ones(count, dtype=bool))
        self._key: tuple[int | str, str] = (seed, name)
        self._config, self._seed = config, seed
        self._order = EpochOrder(latents.shape[0], config.batch, seed, name)

    def rows(self, step: int) -> np.ndarray:
        """The int64 [batch] row numbers of `step`."""
        return self._order.at(step)

    def at(self, step: int, generator: torch.Generator, share: slice, device: torch.device) -> Batch:
        """The share `share` of the batch of `step`; `generator` is that of the step."""
        rows, config, level = self.rows(step), self._config, self._config.ambient_sigma
        z = torch.randn(len(rows), 1, 1, 1, generator=generator)
        noise = torch.randn(len(rows), *self._latents.shape[1:], generator=generator)
        sigma = sigma_from_normal(z, config.P_mean, config.P_std)
        above = (sigma.flatten() > level).numpy()
        if level:
            rows = self._seen(step, rows, above)
        labels = None
        if self._conditions is not None:
            labels = torch.from_numpy(np.array(self._conditions[rows], dtype=np.float32))
            labels = noisy_conditions(labels, config.condition_noise, generator, self._scale)[share].to(device)
        latents, values, pictures = self._draw(step, rows)
        told = to_tensor(values[share], device) if config.augment else None
        shown, noised = to_tensor(latents[share], device), None
        if level:
            once = self._once(rows[share], pictures[share]).to(device)
            noised = torch.from_numpy(np.where(above[share], np.float32(level), np.float32(0))).to(device)
            noised = noised.reshape(-1, 1, 1, 1)
            shown = shown + noised * once
        return Batch(shown, sigma[share].to(device), noise[share].to(device), labels, told, noised)

    def _seen(self, step: int, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
        """`rows`, with random ones that may be seen clean for those that may not, where the level is not `above`."""
        clean = self._ambient.clean
        others = numpy_rng(*self._key, "clean", step).choice(np.flatnonzero(clean), len(rows))
        return np.where(above | clean[rows], rows, others)

    def _once(self, rows: np.ndarray, pictures: np.ndarray) -> Tensor:
        """Unit normals [B, c, h, w] of each picture (plain, mirrored, a view) of each row, the same for ever."""
        names = self._ambient.names
        keys = [("ambient", self._seed, names[row], int(picture)) for row, picture in zip(rows, pictures, strict=True)]
        return keyed_noise(keys, self._latents.shape[1:])

    def _draw(self, step: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Latents [batch, c, h, w] as they are shown at `step`, the values [batch, a] of the views, and which picture
        of each row it is (int64 [batch]: 0 its own, 1 mirrored, then the views).
        """
        # streams of their own, so that the others stay what they are without them
        latents = _drawn(self._latents, rows, torch_generator(*self._key, "posterior", step))
        values = np.zeros((len(rows), AUGMENT_DIM), dtype=np.float32)
        pictures = np.zeros(len(rows), dtype=np.int64)
        if self._flipped is not None:
            other = _drawn(self._flipped, rows, torch_generator(*self._key, "posterior of mirrored", step))
            heads = numpy_rng(*self._key, "mirror", step).random(len(rows)) < 0.5
            latents = np.where(heads[:, None, None, None], other, latents)
            values[heads, MIRROR] = pictures[heads] = 1
        if self._augmented is not None:
            rng, each = numpy_rng(*self._key, "augment", step), self._augmented.each
            shown, which = rng.random(len(rows)) < self._config.augment, rng.integers(each, size=len(rows))
            numbers = rows * each + which
            views = _drawn(self._augmented.latents, numbers, torch_generator(*self._key, "posterior of views", step))
            latents = np.where(shown[:, None, None, None], views, latents)
            values[shown], pictures[shown] = self._augmented.values[numbers[shown]], 2 + which[shown]
        return latents, values, pictures


def _drawn(array: Rows, rows: np.ndarray, generator: torch.Generator) -> np.ndarray:
    draw = getattr(array, "sample", None)
    return np.asarray(array[rows] if draw is None else draw(rows, generator))
