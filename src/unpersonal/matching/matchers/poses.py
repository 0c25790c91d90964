"""`poses`: is it somebody's whole picture, however it was turned?

Three looks, each measured by strangers. *Turned*: mirrored, by right angles, by up to 20 degrees, positive or negative.
*Cropped*: the query shows a window of somebody's picture, mirrored or not, stretched or not. *Framed*: a window of the
query shows somebody's picture. Local-contrast maps along their leading directions propose a pose and an image; the
normalised cross-correlation of whole maps (Lewis, 1995), maximised over small turns, zooms and shifts, decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ...core.config import Config
from ..base import Scores
from ..fields import contrast, grey, leading_directions, resized, unit_rows
from ..geometry import affine, compose, correlation, dihedral, view, window
from ..strangers import Scale, best_look, others, pick_strangers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAP = 32
"""Side of the contrast maps that are compared."""
TURNS = tuple(range(-20, 21, 5))
"""Degrees that are proposed; refinement reaches what lies between and a little beyond."""
SHARES = {0.6: 2, 0.66: 2, 0.73: 2, 0.8: 1, 0.84: 1, 0.88: 1, 0.94: 1}
"""Shares of a picture's side that a proposed window has, and pixels of the map from one window to the next.

Refinement reaches what lies between."""
STRETCHED = tuple((across, 1.0) for across in (0.6, 0.7, 0.8, 0.9)) + tuple((1.0, d) for d in (0.6, 0.7, 0.8, 0.9))
"""Shares of width and height of windows in the middle: letterboxes, and pictures that were squashed."""
MIRRORS = (0, 4)
"""Numbers of `geometry.dihedral` that windows are sought under."""
DIMENSIONS = 128
"""Length of the vectors that proposals are made with."""
SAMPLED = 300
"""Images whose windows the directions are found with."""
PROPOSED = 6
"""Proposals of each look that are compared in full before the best is refined."""
REFINED = ((3.0, 0.05, 0.08), (1.5, 0.025, 0.04), (0.7, 0.012, 0.02))
"""Degrees, zoom and shift (in half sides) of each round of refinement."""
LEAST_SEEN = 200
"""Pixels of the map that both pictures must show: fewer are alike by chance."""
LOOKS = ("turned", "cropped", "framed")
QUERIES = 256
"""Queries scored at once: memory is bounded by this many rows of the gallery."""


@dataclass(frozen=True)
class PoseGallery:
    """Pictures [g, s, s], vectors of whole pictures [g, d] and of their windows [w, g, d], and the directions."""

    pictures: Tensor
    whole: Tensor
    windows: Tensor
    directions: Tensor
    subjects: np.ndarray


@dataclass
class Proposals:
    """The best `PROPOSED` of one look, for n queries: score, gallery row, number of the pose, all [n, PROPOSED]."""

    score: Tensor
    row: Tensor
    pose: Tensor
    seen: int = field(default=0)

    def offer(self, score: Tensor, row: Tensor) -> None:
        """Take in the best row of the next pose, [n] each."""
        worst = self.score.argmin(dim=1, keepdim=True)
        better = score[:, None] > self.score.gather(1, worst)
        self.score.scatter_(1, worst, score[:, None].where(better, self.score.gather(1, worst)))
        self.row.scatter_(1, worst, row[:, None].where(better, self.row.gather(1, worst)))
        number = self.pose.new_full((len(score), 1), self.seen)
        self.pose.scatter_(1, worst, number.where(better, self.pose.gather(1, worst)))
        self.seen += 1


@dataclass(frozen=True)
class PosesMatcher:
    """Directions [MAP², d] of contrast maps, and the strangers' scale of some people's images."""

    directions: Tensor
    scale: Scale

    @classmethod
    def fitted(cls, images: np.ndarray, subjects: np.ndarray, seed: int) -> PosesMatcher:
        """As these images uint8 [n, C, S, S] of `subjects` [n] have it."""
        pictures = grey(images)
        some = pictures[:: max(len(pictures) // SAMPLED, 1)]
        whole = unit_rows(contrast(resized(pictures, MAP)).flatten(1))
        samples = [whole, *(rows for number, rows in enumerate(window_rows(some)) if number % 9 == 0)]
        plain = cls(leading_directions(_cat(samples), DIMENSIONS), Scale.plain(len(LOOKS)))
        known = pick_strangers(subjects, seed)
        raw, _ = _looks(pictures[known], plain.enrol(images, subjects), others(subjects, subjects[known]))
        return cls(plain.directions, Scale.of(raw))

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> PoseGallery:
        """See `Matcher.enrol`."""
        if len(images) == 0:
            raise ValueError("the gallery is empty")
        pictures = grey(images)
        whole = unit_rows(contrast(resized(pictures, MAP)).flatten(1))
        windows = _stack([_projected(rows, self.directions) for rows in window_rows(pictures)])
        return PoseGallery(pictures, _projected(whole, self.directions), windows, self.directions, subjects)

    def score(self, queries: np.ndarray, gallery: PoseGallery, own: np.ndarray | None = None) -> Scores:
        """See `Matcher.score`; a score is in spreads of strangers (`strangers.Scale`)."""
        raw, rows = _looks(grey(queries), gallery, others(gallery.subjects, own))
        return Scores(*best_look(raw, rows, self.scale))

    def to_tensors(self) -> dict[str, Tensor]:
        """The state, to be kept as safetensors."""
        return {"directions": self.directions, **self.scale.to_tensors()}

    @classmethod
    def from_tensors(cls, state: Mapping[str, Tensor]) -> PosesMatcher:
        """The matcher of which `to_tensors` gave `state`."""
        return cls(state["directions"], Scale.from_tensors(state))


def _cat(found: list[Tensor]) -> Tensor:
    import torch

    return torch.cat(found)


def _stack(found: list[Tensor]) -> Tensor:
    import torch

    return torch.stack(found)


@lru_cache(maxsize=1)
def window_maps() -> Tensor:
    """The maps [w, 2, 3] of all windows, in the order of `window_rows`."""
    found = [
        window(top, left, MAP, MAP, _pyramid_side(share))
        for share, step in SHARES.items()
        for top, left in _places(_pyramid_side(share), step)
    ] + [affine(zoom=(1 / across, 1 / down)) for across, down in STRETCHED]
    return _stack(found)


def window_rows(pictures: Tensor) -> Iterator[Tensor]:
    """The contrast of every window in turn, as unit rows [n, MAP²] of pictures [n, s, s]."""
    for share, step in SHARES.items():
        maps = contrast(resized(pictures, _pyramid_side(share)))
        for top, left in _places(_pyramid_side(share), step):
            yield unit_rows(maps[:, top : top + MAP, left : left + MAP].flatten(1))
    for across, down in STRETCHED:
        stretched = affine(zoom=(1 / across, 1 / down)).expand(len(pictures), 2, 3)
        yield unit_rows(contrast(view(pictures, stretched, MAP)[0]).flatten(1))


def _pyramid_side(share: float) -> int:
    return round(MAP / share)


def _places(side: int, step: int) -> list[tuple[int, int]]:
    """Tops and lefts of windows of `MAP` pixels in a map of `side`, about `step` apart, from edge to edge."""
    steps = -(-(side - MAP) // step)
    offsets = [round(number * (side - MAP) / steps) for number in range(steps + 1)]
    return list(product(offsets, offsets))


def _looks(queries: Tensor, gallery: PoseGallery, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Raw scores and rows [n, k] of the looks."""
    import torch

    raw, rows = np.empty((len(queries), len(LOOKS)), np.float32), np.empty((len(queries), len(LOOKS)), np.int64)
    for start in range(0, len(queries), QUERIES):
        part = slice(start, start + QUERIES)
        barred = None if allowed is None else torch.from_numpy(~allowed[part])
        sides = [dihedral(queries[part], number) for number in range(8)]
        for look, (proposals, turns, maps) in enumerate(
            (
                _propose_turned(sides, gallery, barred),
                _propose_cropped(sides, gallery, barred),
                _propose_framed(sides, gallery, barred),
            )
        ):
            score, row = _decide(sides, gallery.pictures, proposals, turns, maps)
            raw[part, look], rows[part, look] = score.numpy(), row.numpy()
    return raw, rows


Posed = tuple[Proposals, "Tensor", tuple["Tensor", "Tensor"]]
"""Proposals, the number of `dihedral` of each pose [p], and its maps [p, 2, 3] on the query and on the gallery."""


def _propose(queries: Iterator[tuple[Tensor, Tensor]], count: int, barred: Tensor | None, signed: bool) -> Proposals:
    """The best proposals, of vectors [n, d] and gallery vectors [g, d] of each pose."""
    import torch

    found = Proposals(torch.full((count, PROPOSED), -2.0), *(torch.zeros(count, PROPOSED).long() for _ in range(2)))
    for vectors, known in queries:
        likeness = vectors @ known.T
        if not signed:
            likeness.abs_()
        if barred is not None:
            likeness[barred] = -1.0
        found.offer(*likeness.max(dim=1))
    return found


def _vectors(pictures: Tensor, gallery: PoseGallery) -> Tensor:
    return _projected(unit_rows(contrast(pictures).flatten(1)), gallery.directions)


def _projected(rows: Tensor, directions: Tensor) -> Tensor:
    """Rows [n, p] along the directions, of unit length again."""
    found = rows @ directions
    return found / found.norm(dim=1, keepdim=True).clamp_min(1e-6)


def _propose_turned(sides: list[Tensor], gallery: PoseGallery, barred: Tensor | None) -> Posed:
    import torch

    count = len(sides[0])
    turned = [affine(degrees) for degrees in TURNS]

    def poses() -> Iterator[tuple[Tensor, Tensor]]:
        for side, turn in product(sides, turned):
            yield _vectors(view(side, turn.expand(count, 2, 3), MAP)[0], gallery), gallery.whole

    numbers = torch.arange(len(sides)).repeat_interleave(len(turned))
    maps = _stack(turned).repeat(len(sides), 1, 1)
    return _propose(poses(), count, barred, False), numbers, (maps, affine().expand_as(maps))


def _propose_cropped(sides: list[Tensor], gallery: PoseGallery, barred: Tensor | None) -> Posed:
    def poses() -> Iterator[tuple[Tensor, Tensor]]:
        for mirror in MIRRORS:
            vectors = _vectors(resized(sides[mirror], MAP), gallery)
            for known in gallery.windows:
                yield vectors, known

    numbers, maps = _window_poses()
    return _propose(poses(), len(sides[0]), barred, True), numbers, (affine().expand_as(maps), maps)


def _propose_framed(sides: list[Tensor], gallery: PoseGallery, barred: Tensor | None) -> Posed:
    def poses() -> Iterator[tuple[Tensor, Tensor]]:
        for mirror in MIRRORS:
            for rows in window_rows(sides[mirror]):
                yield _projected(rows, gallery.directions), gallery.whole

    numbers, maps = _window_poses()
    return _propose(poses(), len(sides[0]), barred, True), numbers, (maps, affine().expand_as(maps))


def _window_poses() -> tuple[Tensor, Tensor]:
    import torch

    maps = window_maps()
    return torch.tensor(MIRRORS).repeat_interleave(len(maps)), maps.repeat(len(MIRRORS), 1, 1)


def _decide(
    sides: list[Tensor], pictures: Tensor, proposals: Proposals, turns: Tensor, maps: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Correlation [n] of the best proposal after refinement, and its gallery row [n]."""
    import torch

    count = len(sides[0])
    index = torch.arange(count)
    stacked = torch.stack(sides)
    best = torch.full((count,), -1.0)
    chosen = torch.zeros(count, dtype=torch.long)
    for column in range(PROPOSED):
        pose = proposals.pose[:, column]
        query = stacked[turns[pose], index]
        score = _compared(_query_maps(query, maps[0][pose]), pictures[proposals.row[:, column]], maps[1][pose])
        better = score > best
        best, chosen = best.where(~better, score), chosen.where(~better, index.new_full((count,), column))
    pose, row = proposals.pose[index, chosen], proposals.row[index, chosen]
    query = _query_maps(stacked[turns[pose], index], maps[0][pose])
    seen, current = pictures[row], maps[1][pose].clone()
    for round_ in REFINED:
        moves = _moves(*round_)
        tried = torch.stack([compose(current, move) for move in moves])
        scores = torch.stack([_compared(query, seen, move) for move in tried])
        best, which = torch.cat([best[None], scores]).max(dim=0)
        current = torch.cat([current[None], tried])[which, index]
    return best, row


def _query_maps(pictures: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    seen, inside = view(pictures, maps, MAP)
    return contrast(seen).flatten(1), inside.flatten(1).float()


def _compared(query: tuple[Tensor, Tensor], pictures: Tensor, maps: Tensor) -> Tensor:
    """How alike [n], whichever is the negative, the query's maps and the pictures under `maps` are where both show."""
    seen, inside = _query_maps(pictures, maps)
    both = inside * query[1]
    return correlation(query[0], seen, both).abs().where(both.sum(dim=1) >= LEAST_SEEN, both.new_zeros(len(both)))


@lru_cache(maxsize=len(REFINED))
def _moves(degrees: float, zoom: float, shift: float) -> tuple[Tensor, ...]:
    larger, smaller = 1 + zoom, 1 / (1 + zoom)
    zooms = [(larger, larger), (smaller, smaller), (larger, 1.0), (1.0, larger), (smaller, 1.0), (1.0, smaller)]
    shifts = [(shift, 0.0), (-shift, 0.0), (0.0, shift), (0.0, -shift)]
    return (
        *(affine(turn) for turn in (degrees, -degrees)),
        *(affine(zoom=pair) for pair in zooms),
        *(affine(shift=pair) for pair in shifts),
    )


class Poses:
    """The part; there is nothing to configure."""

    config = Config

    def fit(
        self, images: np.ndarray, subjects: np.ndarray, config: Config, *, seed: int, device: torch.device
    ) -> PosesMatcher:
        """See `MatcherPart.fit`: directions and scale come from the images."""
        return PosesMatcher.fitted(images, subjects, seed)

    def save(self, matcher: PosesMatcher) -> dict[str, Tensor]:
        """See `MatcherPart.save`."""
        return matcher.to_tensors()

    def load(self, state: Mapping[str, Tensor], config: Config, *, device: torch.device) -> PosesMatcher:
        """See `MatcherPart.load`."""
        return PosesMatcher.from_tensors(state)


MATCHER = Poses()
