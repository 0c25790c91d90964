"""What the re-identifier trains and stops on: two views per subject, and fixed copies of held-out subjects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..codec.base import Codec
from ..core.pixels import to_float, to_uint8
from ..core.seeds import torch_generator
from .perturbations import augment, perturb


class SubjectBatches:
    """Draws distinct subjects and one or two images of each; `subjects` [n] names the subject of every row."""

    def __init__(self, subjects: np.ndarray, visit_probability: float) -> None:
        _, codes = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
        order = np.argsort(codes, kind="stable")
        self._rows = torch.from_numpy(order.astype(np.int64))
        counts = np.bincount(codes)
        self._counts = torch.from_numpy(counts.astype(np.int64))
        self._starts = torch.from_numpy((np.cumsum(counts) - counts).astype(np.int64))
        self._visit_probability = visit_probability

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows (first, second), int64 [b] each, of b = min(batch, subjects) distinct subjects.

        Both are the same image, or with the visit probability two different images where the subject has them.
        """
        chosen = torch.randperm(len(self._counts), generator=generator)[:batch]
        counts = self._counts[chosen]
        first = (torch.rand(len(chosen), generator=generator) * counts).long()
        step = 1 + (torch.rand(len(chosen), generator=generator) * (counts - 1)).long()
        other = torch.rand(len(chosen), generator=generator) < self._visit_probability
        second = torch.where(other & (counts > 1), (first + step) % counts, first)
        return self._rows[self._starts[chosen] + first], self._rows[self._starts[chosen] + second]


def two_views(
    images: Tensor, first: Tensor, second: Tensor, generator: torch.Generator, codec: Codec | None
) -> tuple[Tensor, Tensor]:
    """Float views [b, C, H, W] of uint8 `images`: the first untouched for a random half of the batch, else augmented.

    The gate compares an altered image with an untouched one; a view that is sometimes untouched trains just that.
    """
    device = images.device
    a, b = to_float(images[first.to(device)], device), to_float(images[second.to(device)], device)
    touched = augment(a, generator, codec)
    untouched = torch.rand(len(a), generator=generator) < 0.5
    a = torch.where(untouched.to(device)[:, None, None, None], a, touched)
    return a, augment(b, generator, codec)


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
