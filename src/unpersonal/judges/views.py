"""What the re-identifier trains and stops on: two views per subject, and fixed copies of held-out subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..codec.base import Codec
from ..core.pixels import to_float, to_uint8
from ..core.seeds import torch_generator
from .augmentations import disguise, mixed
from .perturbations import on_some, perturb

MIXED = 0.2
"""Share of the second views in which another person is seen beside the subject."""
UNTOUCHED = 0.5
"""Share of the first views that are the image itself, and of generated second views that stay as they were drawn."""


@dataclass(frozen=True)
class Views:
    """Two views of each of b subjects: float [b, C, H, W] each; `ignored` as in `Member.loss`."""

    first: Tensor
    second: Tensor
    ignored: Tensor


@dataclass(frozen=True)
class Bank:
    """Copies made by a diffusion model, uint8 [m, C, H, W]; `rows` int64 [m] are the train images that they show."""

    images: np.ndarray
    rows: np.ndarray


class SubjectBatches:
    """Draws distinct subjects and one or two images of each; `subjects` [n] names the subject of every row.

    `groups` [n] (None: all alike) are label-set codes; a subject is in the group of its first row.
    """

    def __init__(
        self,
        subjects: np.ndarray,
        visit_probability: float,
        groups: np.ndarray | None = None,
        same_label: float = 0.0,
    ) -> None:
        _, first, codes = np.unique(np.asarray(subjects, dtype=str), return_index=True, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        self._rows = torch.from_numpy(order.astype(np.int64))
        counts = np.bincount(codes)
        self._counts = torch.from_numpy(counts.astype(np.int64))
        self._starts = torch.from_numpy((np.cumsum(counts) - counts).astype(np.int64))
        self._visit_probability = visit_probability
        self._groups = torch.from_numpy(np.zeros(len(first)) if groups is None else np.asarray(groups)[first])
        self._same_label = same_label

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows (first, second), int64 [b] each, of b = min(batch, subjects) distinct subjects.

        Both are the same image, or with the visit probability two different images where the subject has them. A share
        `same_label` of the subjects has one group, that of a subject drawn at random.
        """
        chosen = self._subjects(batch, generator)
        counts = self._counts[chosen]
        first = (torch.rand(len(chosen), generator=generator) * counts).long()
        step = 1 + (torch.rand(len(chosen), generator=generator) * (counts - 1)).long()
        other = torch.rand(len(chosen), generator=generator) < self._visit_probability
        second = torch.where(other & (counts > 1), (first + step) % counts, first)
        return self._rows[self._starts[chosen] + first], self._rows[self._starts[chosen] + second]

    def _subjects(self, batch: int, generator: torch.Generator) -> Tensor:
        order = torch.randperm(len(self._counts), generator=generator)
        if not self._same_label:
            return order[:batch]
        alike = (self._groups[order] == self._groups[order[0]]).nonzero()[:, 0][: round(self._same_label * batch)]
        rest = torch.ones(len(order), dtype=torch.bool)
        rest[alike] = False
        return torch.cat([order[alike], order[rest][: batch - len(alike)]])


class TwoViews:
    """What training makes of drawn rows of uint8 `images` [n, C, H, W] (a tensor) of `subjects` [n].

    The first view is the image itself for half of the batch, for the gate compares with untouched images. The second
    is `disguise`d, partly after it was mixed with another subject, or is a copy of the `bank` where there is one.
    """

    def __init__(
        self,
        images: Tensor,
        subjects: np.ndarray,
        codec: Codec | None,
        bank: Bank | None = None,
        generated_probability: float = 0.0,
    ) -> None:
        self._images, self._codec, self._share = images, codec, generated_probability
        _, codes = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
        self._codes = torch.from_numpy(codes.reshape(-1).astype(np.int64))
        rows = np.zeros(0, np.int64) if bank is None else bank.rows
        order = np.argsort(rows, kind="stable")
        self._copies = None if bank is None else torch.from_numpy(np.ascontiguousarray(bank.images[order]))
        counts = np.bincount(rows, minlength=len(images))
        self._counts = torch.from_numpy(counts)
        self._starts = torch.from_numpy(np.cumsum(counts) - counts)

    def draw(self, first: Tensor, second: Tensor, generator: torch.Generator) -> Views:
        """Views of the rows `first` and `second` int64 [b], row by row of one subject."""
        a, b = self._pictures(first), self._pictures(second)
        a = on_some(a, 1 - UNTOUCHED, generator, lambda some: disguise(some, generator, self._codec))
        hosts = torch.randint(0, len(self._images), (len(second),), generator=generator)
        beside = (torch.rand(len(second), generator=generator) < MIXED) & (self._codes[hosts] != self._codes[second])
        b = torch.where(_each(beside, b), mixed(b, self._pictures(hosts), generator), b)
        drawn, b = self._generated(second, b, generator)
        plain = drawn & (torch.rand(len(second), generator=generator) < UNTOUCHED)
        b = torch.where(_each(plain, b), b, disguise(b, generator, self._codec))
        guests = torch.where(beside & ~drawn, self._codes[hosts], torch.tensor(-1))
        return Views(a, b, shared(self._codes[first], guests).to(a.device))

    def _pictures(self, rows: Tensor) -> Tensor:
        return to_float(self._images[rows.to(self._images.device)], self._images.device)

    def _generated(self, rows: Tensor, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which of `rows` [b] become copies of the bank (bool [b]), and `images` with these in their place."""
        place = (torch.rand(len(rows), generator=generator) * self._counts[rows]).long() + self._starts[rows]
        drawn = (torch.rand(len(rows), generator=generator) < self._share) & (self._counts[rows] > 0)
        if self._copies is None or not drawn.any():
            return torch.zeros_like(drawn), images
        images = images.clone()
        images[drawn.to(images.device)] = to_float(self._copies[place[drawn]], images.device)
        return drawn, images


def _each(flags: Tensor, images: Tensor) -> Tensor:
    return flags.to(images.device)[:, None, None, None]


def shared(owners: Tensor, guests: Tensor) -> Tensor:
    """bool [2 b, 2 b]: pairs of views in which a guest of one is seen in the other, too.

    `owners` int64 [b] of the first and of the second views, `guests` int64 [b] beside them in the second (-1: none).
    """
    owners, guests = owners.repeat(2), torch.cat([torch.full_like(guests, -1), guests])
    visits = (guests[:, None] == owners[None, :]) | ((guests[:, None] == guests[None, :]) & (guests[:, None] >= 0))
    visits.fill_diagonal_(False)
    return visits | visits.T


def make_copies(
    images: np.ndarray, names: Sequence[str], seed: int, codec: Codec | None, device: torch.device
) -> np.ndarray:
    """One copy of every image and perturbation, uint8 [len(names), n, C, H, W]; a stream for each perturbation."""
    # a copy that could be released has 8 bits
    floats = to_float(images, device)
    copies = [to_uint8(perturb(name, floats, torch_generator(seed, "copy", name), codec)) for name in names]
    return np.stack(copies)


def one_row_per_subject(subjects: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One random row (int64) of every subject, in order of the subjects' names."""
    names = np.asarray(subjects, dtype=str)
    order = rng.permutation(len(names))
    _, first = np.unique(names[order], return_index=True)
    return order[first].astype(np.int64)
