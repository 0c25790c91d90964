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
from ..strangers import Own, Scale, barred, best_look, pick_strangers

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
PLACES = 3
"""Places of each of them that are compared in full."""
REACH = 1
"""Largest shift in working pixels under which they are compared, either way."""
LEAST_DEVIATION = 0.35
"""Standard deviation of whitened detail below which a window is counted as emptier than it looks."""
QUERIES = 256
"""Queries scored at once: memory is bounded by this many rows of the gallery."""
BLOCK = 1024
"""Gallery images compared at once, so that the products stay in the cache."""


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
        raw, _, _ = plain._looks(bands[known], plain.enrol(images, subjects), subjects[known])
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
        raw, rows, how = self._looks(fine_detail(grey(queries)) / self.typical, gallery, own)
        return best_look(raw, rows, self.scale, how)

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
        self, queries: Tensor, gallery: PartGallery, own: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Raw scores, rows and words [n, k], one look for each size of windows."""
        sizes = _window_places(queries.shape[-1])
        shape = (len(queries), len(sizes))
        raw, rows, how = np.empty(shape, np.float32), np.empty(shape, np.int64), np.empty(shape, object)
        left_out = Own.of(own, gallery.subjects)
        for start in range(0, len(queries), QUERIES):
            batch = slice(start, start + QUERIES)
            not_these = barred(left_out, batch)
            for look, ((side, places), axes, vectors) in enumerate(
                zip(sizes, self.directions, gallery.vectors, strict=True)
            ):
                sought = [_cut(queries[batch], place, side) @ known for place, known in zip(places, axes, strict=True)]
                row, place = _propose(sought, vectors, not_these)
                score, best = _decide(queries[batch], gallery.bands, row, place, (places, side), not_these)
                raw[batch, look], rows[batch, look] = score.numpy(), row.gather(1, best)[:, 0].numpy()
                found = place.gather(1, best)[:, 0].tolist()
                how[batch, look] = [f"piece of {side} px at {places[number]}" for number in found]
        return raw, rows, how


def _window_places(size: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """Side in pixels, and tops and lefts, of the windows of each size in bands of `size` pixels."""
    step, found = max(round(STRIDE * size), 2), []
    for share in SIZES:
        side = max(round(share * size), 4)
        offsets = range(EDGE, size - side - EDGE + 1, step)
        found.append((side, list(product(offsets, offsets))))
    return found


def _cut(bands: Tensor, place: tuple[int, int], side: int) -> Tensor:
    """Windows [n, side²] of bands [n, s, s] as unit rows; nearly empty ones stay short."""
    top, left = place
    return unit_rows(bands[:, top : top + side, left : left + side].flatten(1), least=LEAST_DEVIATION * side)


def _propose(sought: list[Tensor], vectors: tuple[Tensor, ...], not_these: Tensor | None) -> tuple[Tensor, Tensor]:
    """Gallery rows and numbers of places [n, PROPOSED · PLACES] of windows that come closest to vectors [n, d]."""
    import torch

    closest = sought[0].new_full((len(sought[0]), len(vectors[0])), -1.0)
    for start in range(0, len(vectors[0]), BLOCK):
        block = closest[:, start : start + BLOCK]
        for rows, known in zip(sought, vectors, strict=True):
            torch.maximum(block, rows @ known[start : start + BLOCK].T, out=block)
    if not_these is not None:
        closest[not_these] = -1.0
    found = closest.topk(min(PROPOSED, closest.shape[1]), dim=1).indices
    alike = torch.stack(
        [(rows[:, None] * known[found]).sum(dim=2) for rows, known in zip(sought, vectors, strict=True)], dim=2
    )
    place = alike.topk(min(PLACES, len(vectors)), dim=2).indices
    return found.repeat_interleave(place.shape[2], dim=1), place.flatten(1)


def _decide(
    queries: Tensor,
    bands: Tensor,
    row: Tensor,
    place: Tensor,
    windows: tuple[list[tuple[int, int]], int],
    not_these: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Largest correlation [n] of a window with one near the same place among those proposed, and which it is [n, 1]."""
    import torch

    places, side = windows
    corners, index, found = torch.tensor(places), torch.arange(len(queries)), []
    for rows, numbers in zip(row.T, place.T, strict=True):
        mine = _blocks(queries, index, corners[numbers], side)
        theirs = _blocks(bands, rows, corners[numbers] - REACH, side + 2 * REACH)
        mine = unit_rows(mine.flatten(1), least=LEAST_DEVIATION * side)
        moves = product(range(2 * REACH + 1), range(2 * REACH + 1))
        near = [(mine * _cut(theirs, move, side)).sum(dim=1) for move in moves]
        found.append(torch.stack(near).amax(dim=0))
    score = torch.stack(found, dim=1)
    if not_these is not None:  # those who are allowed may be fewer than are proposed
        score[not_these.gather(1, row)] = -1.0
    best, which = score.max(dim=1, keepdim=True)
    return best[:, 0], which


def _blocks(bands: Tensor, rows: Tensor, corners: Tensor, side: int) -> Tensor:
    """Squares [n, side, side] of bands [b, s, s] `rows` [n], whose top and left are `corners` [n, 2]."""
    import torch

    size = bands.shape[-1]
    start = (rows * size + corners[:, 0]) * size + corners[:, 1]
    inside = torch.arange(side)[:, None] * size + torch.arange(side)
    return bands.reshape(-1)[start[:, None, None] + inside]


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
