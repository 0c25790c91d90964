"""`parts`: does a piece of a picture come from somebody's picture, at the same place?

Square windows of three sizes are cut from the whitened band of fine detail. Each window is compared with the windows at
the same place of every gallery image along the leading directions of that place; the images that come closest are then
compared in full and under small shifts. Each size is one look, measured by strangers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ...core.config import Config
from ..base import Scores
from ..fields import fine_detail, grey, leading_directions, typical_detail, unit_rows
from ..strangers import Scale, best_look, others, pick_strangers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SIZES = (0.25, 0.375, 0.5)
"""Sides of the windows as shares of the working side."""
STRIDE = 0.125
"""Step from one window to the next as a share of the working side."""
EDGE = 3
"""Working pixels left out at each edge."""
DIMENSIONS = 64
"""Length of the vectors that windows are first compared with."""
PROPOSED = 5
"""Gallery images that are compared in full for each query and size."""
SHIFTS = tuple(product((-1, 0, 1), repeat=2))
"""Shifts in working pixels under which they are compared."""
LEAST_DEVIATION = 0.35
"""Standard deviation of whitened detail below which a window is counted as emptier than it looks."""
QUERIES = 256
"""Queries scored at once: memory is bounded by this many rows of the gallery."""


@dataclass(frozen=True)
class PartGallery:
    """Whitened bands [g, s, s], and for each size of windows and each place the vectors [g, d] of its windows."""

    bands: Tensor
    vectors: tuple[tuple[Tensor, ...], ...]
    subjects: np.ndarray


@dataclass(frozen=True)
class PartsMatcher:
    """The whitening [s, s], the directions [p, d] of each place of each size, and the strangers' scale."""

    typical: Tensor
    directions: tuple[tuple[Tensor, ...], ...]
    scale: Scale

    @classmethod
    def fitted(cls, images: np.ndarray, subjects: np.ndarray, seed: int) -> PartsMatcher:
        """As these images uint8 [n, C, S, S] of `subjects` [n] have it."""
        bands = fine_detail(grey(images))
        typical = typical_detail(bands)
        bands = bands / typical
        directions = tuple(
            tuple(leading_directions(_cut(bands, place, side), DIMENSIONS) for place in places)
            for side, places in _window_places(bands.shape[-1])
        )
        plain = cls(typical, directions, Scale.plain(len(SIZES)))
        known = pick_strangers(subjects, seed)
        raw, _ = plain._looks(bands[known], plain.enrol(images, subjects), others(subjects, subjects[known]))
        return cls(typical, directions, Scale.of(raw))

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> PartGallery:
        """See `Matcher.enrol`."""
        if len(images) == 0:
            raise ValueError("the gallery is empty")
        bands = fine_detail(grey(images)) / self.typical
        vectors = tuple(
            tuple(_cut(bands, place, side) @ axes for place, axes in zip(places, directions, strict=True))
            for (side, places), directions in zip(_window_places(bands.shape[-1]), self.directions, strict=True)
        )
        return PartGallery(bands, vectors, subjects)

    def score(self, queries: np.ndarray, gallery: PartGallery, own: np.ndarray | None = None) -> Scores:
        """See `Matcher.score`; a score is in spreads of strangers (`strangers.Scale`)."""
        raw, rows = self._looks(fine_detail(grey(queries)) / self.typical, gallery, others(gallery.subjects, own))
        return Scores(*best_look(raw, rows, self.scale))

    def to_tensors(self) -> dict[str, Tensor]:
        """The state, to be kept as safetensors."""
        axes = {f"{size}.{place}": a for size, found in enumerate(self.directions) for place, a in enumerate(found)}
        return {"typical": self.typical, **axes, **self.scale.to_tensors()}

    @classmethod
    def from_tensors(cls, state: Mapping[str, Tensor]) -> PartsMatcher:
        """The matcher of which `to_tensors` gave `state`."""
        sizes = _window_places(state["typical"].shape[-1])
        directions = tuple(
            tuple(state[f"{size}.{place}"] for place in range(len(places))) for size, (_, places) in enumerate(sizes)
        )
        return cls(state["typical"], directions, Scale.from_tensors(state))

    def _looks(
        self, queries: Tensor, gallery: PartGallery, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Raw scores and rows [n, k], one look for each size of windows."""
        import torch

        sizes = _window_places(queries.shape[-1])
        raw, rows = np.empty((len(queries), len(sizes)), np.float32), np.empty((len(queries), len(sizes)), np.int64)
        for start in range(0, len(queries), QUERIES):
            batch = slice(start, start + QUERIES)
            barred = None if allowed is None else torch.from_numpy(~allowed[batch])
            for look, ((side, places), axes, vectors) in enumerate(
                zip(sizes, self.directions, gallery.vectors, strict=True)
            ):
                cut = [_cut(queries[batch], place, side) for place in places]
                proposed = _propose(cut, axes, vectors, barred)
                score, row = _decide(cut, places, side, gallery.bands, proposed, barred)
                raw[batch, look], rows[batch, look] = score.numpy(), row.numpy()
        return raw, rows


def _window_places(size: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """Side in pixels, and tops and lefts, of the windows of each size in bands of `size` pixels."""
    step, found = max(round(STRIDE * size), 2), []
    for share in SIZES:
        side = max(round(share * size), 4)
        offsets = range(EDGE, size - side - EDGE + 1, step)
        found.append((side, list(product(offsets, offsets))))
    return found


def _cut(bands: Tensor, place: tuple[int, int], side: int, shift: tuple[int, int] = (0, 0)) -> Tensor:
    """Windows [n, side²] of bands [n, s, s] as unit rows; nearly empty ones stay short."""
    top, left = place[0] + shift[0], place[1] + shift[1]
    return unit_rows(bands[:, top : top + side, left : left + side].flatten(1), least=LEAST_DEVIATION * side)


def _propose(cut: list[Tensor], axes: tuple[Tensor, ...], vectors: tuple[Tensor, ...], barred: Tensor | None) -> Tensor:
    """Rows [n, PROPOSED] of the gallery images that a window comes closest to."""
    import torch

    closest = cut[0].new_full((len(cut[0]), len(vectors[0])), -1.0)
    for rows, directions, known in zip(cut, axes, vectors, strict=True):
        torch.maximum(closest, (rows @ directions) @ known.T, out=closest)
    if barred is not None:
        closest[barred] = -1.0
    found: Tensor = closest.topk(min(PROPOSED, closest.shape[1]), dim=1).indices
    return found


def _decide(
    cut: list[Tensor],
    places: list[tuple[int, int]],
    side: int,
    bands: Tensor,
    proposed: Tensor,
    barred: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Largest correlation of a window with one at the same place [n] among those proposed, and its gallery row [n]."""
    best, chosen = cut[0].new_full((len(proposed),), -1.0), proposed[:, 0].clone()
    for column in proposed.T:
        seen = bands[column]
        for (place, rows), shift in product(zip(places, cut, strict=True), SHIFTS):
            likeness = (rows * _cut(seen, place, side, shift)).sum(dim=1)
            better = likeness > best
            best, chosen = likeness.where(better, best), column.where(better, chosen)
    if barred is not None:  # those who are allowed may be fewer than are proposed
        best[barred.gather(1, chosen[:, None])[:, 0]] = -1.0
    return best, chosen


class Parts:
    """The part; there is nothing to configure."""

    config = Config

    def fit(
        self, images: np.ndarray, subjects: np.ndarray, config: Config, *, seed: int, device: torch.device
    ) -> PartsMatcher:
        """See `MatcherPart.fit`: whitening, directions and scale come from the images."""
        return PartsMatcher.fitted(images, subjects, seed)

    def save(self, matcher: PartsMatcher) -> dict[str, Tensor]:
        """See `MatcherPart.save`."""
        return matcher.to_tensors()

    def load(self, state: Mapping[str, Tensor], config: Config, *, device: torch.device) -> PartsMatcher:
        """See `MatcherPart.load`."""
        return PartsMatcher.from_tensors(state)


MATCHER = Parts()
