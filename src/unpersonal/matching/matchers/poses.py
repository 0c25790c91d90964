"""`poses`: is it somebody's whole picture, however it was turned?

Three looks, each measured by strangers. *Turned*: by any angle, or moved. *Cropped*: the query shows a window of
somebody's picture, stretched or not. *Framed*: a window of the query shows somebody's picture. All are sought mirrored
and as negatives too. Local-contrast maps along their discriminants propose images and poses
(`search.py`); the normalised cross-correlation of whole maps (Lewis, 1995), maximised over affine maps nearby, decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...core.config import Config
from ..alignment import STEPS, posed, refined
from ..base import Scores
from ..fields import contrast, grey, resized
from ..geometry import affine, mirrored, view
from ..search import closest, closest_poses
from ..strangers import Own, Scale, barred, best_look, pick_strangers
from ..windows import (
    COARSE,
    FINE,
    MAP,
    Shares,
    coarse_directions,
    discriminants,
    projected,
    trimmed,
    window_maps,
    window_vectors,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TURNS = tuple(range(-40, 46, 5))
"""Degrees that are proposed at each right angle, so that none is left out; refinement reaches what lies between."""
MOVES = tuple((x, y) for x, y in product((-0.16, -0.08, 0.0, 0.08, 0.16), repeat=2) if x or y)
"""Shifts that are proposed, half sides."""
FRAMES: Shares = (*COARSE, (0.5, 3))
"""Windows of a query in which somebody's whole picture is sought: down to half the side, anywhere."""
HALVES = (((2.0, 1.0), (-0.5, 0.0)), ((2.0, 1.0), (0.5, 0.0)), ((1.0, 2.0), (0.0, -0.5)), ((1.0, 2.0), (0.0, 0.5)))
"""Zooms and shifts of each half of a query: pictures that are squeezed beside another."""
SOUGHT = 256
"""Images of each look that all poses are compared with."""
PROPOSED = 6
"""Images of each look whose pose is refined by `FIRST` steps."""
FIRST = 1
"""Steps that tell which of them are worth more."""
KEPT = 2
"""Images of each look whose pose is refined to its end."""
LOOKS = ("turned", "cropped", "framed")
QUERIES = 1024
"""Queries scored at once: memory is bounded by this many rows of the gallery."""
ENROLLED = 64
"""Images enrolled at once, so that their windows stay in the cache."""


@dataclass(frozen=True)
class PoseGallery:
    """Pictures [g, s, s], vectors of whole pictures float32 [g, d] and of fine and coarse windows float16 [g, w, d]."""

    pictures: Tensor
    whole: Tensor
    fine: Tensor
    coarse: Tensor
    subjects: np.ndarray


class Best(NamedTuple):
    """Of each query the likeliest images [n, k]: gallery row, number of the pose, is it mirrored?"""

    row: Tensor
    pose: Tensor
    mirror: Tensor


class Proposals(NamedTuple):
    """As `Best`; the maps [n, k, 2, 3] of the pose on the query, before it is mirrored, and on the gallery; names."""

    row: Tensor
    pose: Tensor
    mirror: Tensor
    query: Tensor
    gallery: Tensor
    names: tuple[str, ...]


@dataclass(frozen=True)
class PosesMatcher:
    """Directions [MAP², d] of contrast maps, and the strangers' scale of some people's images."""

    directions: Tensor
    scale: Scale

    @classmethod
    def fitted(cls, images: np.ndarray, subjects: np.ndarray, seed: int) -> PosesMatcher:
        """As these images uint8 [n, C, S, S] of `subjects` [n] have it."""
        plain = cls(discriminants(grey(images), seed), Scale.plain(len(LOOKS)))
        known = pick_strangers(subjects, seed)
        raw, _, _ = _looks(grey(images[known]), plain.enrol(images, subjects), plain.directions, subjects[known])
        return cls(plain.directions, Scale.of(raw))

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> PoseGallery:
        """See `Matcher.enrol`."""
        if len(images) == 0:
            raise ValueError("the gallery is empty")
        pictures = grey(images)
        fine = _vectors(pictures, FINE, self.directions)
        coarse = _vectors(pictures, COARSE, coarse_directions(self.directions))
        whole = projected(contrast(resized(pictures, MAP)), self.directions)
        return PoseGallery(pictures, whole, fine, coarse, subjects)

    def score(self, queries: np.ndarray, gallery: PoseGallery, own: np.ndarray | None = None) -> Scores:
        """See `Matcher.score`; a score is in spreads of strangers (`strangers.Scale`)."""
        raw, rows, how = _looks(grey(queries), gallery, self.directions, own)
        return best_look(raw, rows, self.scale, how)

    def score_until(self, queries: np.ndarray, gallery: PoseGallery, enough: float) -> Scores:
        """See `base.Hasty`: what one look finds to be enough is not looked at again."""
        raw, rows, how = _looks(grey(queries), gallery, self.directions, None, self.scale.undo(enough))
        return best_look(raw, rows, self.scale, how)

    def to_tensors(self) -> dict[str, Tensor]:
        """The state, to be kept as safetensors."""
        return {"directions": self.directions, **self.scale.to_tensors()}

    @classmethod
    def from_tensors(cls, state: Mapping[str, Tensor]) -> PosesMatcher:
        """The matcher of which `to_tensors` gave `state`."""
        return cls(state["directions"], Scale.from_tensors(state))


def _vectors(pictures: Tensor, shares: Shares, directions: Tensor) -> Tensor:
    """`window_vectors`, some pictures at a time."""
    import torch

    found = torch.empty(len(pictures), len(window_maps(shares)), directions.shape[1], dtype=torch.float16)
    for start in range(0, len(pictures), ENROLLED):
        part = slice(start, start + ENROLLED)
        found[part] = window_vectors(pictures[part], shares, directions)
    return found


def _looks(
    queries: Tensor,
    gallery: PoseGallery,
    directions: Tensor,
    own: np.ndarray | None,
    enough: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw scores, rows and words [n, k] of the looks; -inf of those after the first that finds `enough` [k]."""
    shape = (len(queries), len(LOOKS))
    raw, rows, how = np.full(shape, -np.inf, np.float32), np.zeros(shape, np.int64), np.full(shape, "", object)
    left_out = Own.of(own, gallery.subjects)
    for start in range(0, len(queries), QUERIES):
        part = np.arange(start, min(start + QUERIES, len(queries)))
        for look, propose in enumerate((_turned, _cropped, _framed)):
            pictures, not_these = queries[part], barred(left_out, part)
            proposals = propose(pictures, gallery, directions, not_these)
            score, row, words = _decide(pictures, gallery.pictures, proposals, not_these)
            raw[part, look], rows[part, look], how[part, look] = score.numpy(), row.numpy(), words
            if enough is not None:
                part = part[~(raw[part, look] >= enough[look])]
            if not len(part):
                break
    return raw, rows, how


def _turned(pictures: Tensor, gallery: PoseGallery, directions: Tensor, not_these: Tensor | None) -> Proposals:
    import torch

    degrees = [90 * right + turn for right in range(4) for turn in TURNS]
    maps = torch.stack([*(affine(turn) for turn in degrees), *(affine(shift=move) for move in MOVES)])
    names = tuple(f"turned by {turn}°" if turn else "" for turn in degrees) + ("moved",) * len(MOVES)
    vectors = turned_vectors(pictures, directions)
    return _posed(vectors, gallery, not_these, maps.expand(len(pictures), *maps.shape), names)


def turned_vectors(pictures: Tensor, directions: Tensor) -> Tensor:
    """float16 [n, w, d]: pictures [n, s, s] along directions, under `TURNS` at each right angle and under `MOVES`."""
    import torch

    turns = [affine(degrees) for degrees in TURNS]
    seen = torch.stack([posed(pictures, turn.expand(len(pictures), 2, 3), MAP)[0] for turn in turns], dim=1)
    sides = [torch.rot90(seen, right, (2, 3)) for right in range(4)]
    moves = [affine(shift=move).expand(len(pictures), 2, 3) for move in MOVES]
    every = torch.cat([*sides, *(posed(pictures, move, MAP)[0][:, None] for move in moves)], dim=1)
    return projected(every.flatten(0, 1), directions).half().view(*every.shape[:2], -1)


def _framed(pictures: Tensor, gallery: PoseGallery, directions: Tensor, not_these: Tensor | None) -> Proposals:
    """Whole images of the gallery that windows of queries may show."""
    import torch

    windows = window_maps(FRAMES)
    halves = torch.stack([affine(zoom=zoom, shift=shift) for zoom, shift in HALVES])
    odd = torch.cat([trimmed(pictures)[:, None], halves.expand(len(pictures), *halves.shape)], dim=1)
    vectors = [_vectors(pictures, FRAMES, directions), *(_under(pictures, each, directions) for each in odd.unbind(1))]
    maps = torch.cat([windows.expand(len(pictures), *windows.shape), odd], dim=1)
    return _posed(torch.cat(vectors, dim=1), gallery, not_these, maps, ("framed",) * maps.shape[1])


def _under(pictures: Tensor, maps: Tensor, directions: Tensor) -> Tensor:
    """float16 [n, 1, d]: pictures [n, s, s] under maps [n, 2, 3], as finely as they are, along directions."""
    seen, _ = view(pictures, maps, pictures.shape[-1])
    return projected(contrast(resized(seen, MAP)), directions).half()[:, None]


def _shorter(vectors: Tensor) -> Tensor:
    """Vectors [..., d] along the coarse directions alone, of unit length again."""
    found = coarse_directions(vectors.flatten(0, -2)).view(*vectors.shape[:-1], -1)
    return found / found.norm(dim=-1, keepdim=True).clamp_min(1e-6)


def _likely(likeness: Tensor, not_these: Tensor | None) -> Tensor:
    """Rows [n, k] of the images, of likeness [n, g], that all poses are compared with."""
    if not_these is not None:
        likeness = likeness.masked_fill(not_these, -1.0)
    found: Tensor = likeness.topk(min(SOUGHT, likeness.shape[1]), dim=1).indices
    return found


def _cropped(pictures: Tensor, gallery: PoseGallery, directions: Tensor, not_these: Tensor | None) -> Proposals:
    """Windows of the gallery that whole queries may show."""
    import torch

    whole = projected(contrast(resized(pictures, MAP)), directions)
    likely = _likely(closest(_shorter(whole), gallery.coarse), not_these)
    queries = torch.arange(len(whole)).repeat_interleave(likely.shape[1])
    best = _best(likely, not_these, *closest_poses(whole[queries], gallery.fine, likely.flatten()))
    maps = window_maps(FINE)[best.pose]
    return Proposals(*best, affine().expand_as(maps), maps, ("cropped",) * len(window_maps(FINE)))


def _posed(
    vectors: Tensor, gallery: PoseGallery, not_these: Tensor | None, maps: Tensor, names: tuple[str, ...]
) -> Proposals:
    """Whole images of the gallery that queries with vectors [n, p, d] under `maps` [n, p, 2, 3] may show."""
    import torch

    likely = _likely(closest(_shorter(gallery.whole), _shorter(vectors)).T, not_these)
    index = torch.arange(len(vectors))[:, None]
    queries = index.expand_as(likely).flatten()
    best = _best(likely, not_these, *closest_poses(gallery.whole[likely.flatten()], vectors, queries))
    chosen = maps[index, best.pose]
    return Proposals(*best, chosen, affine().expand_as(chosen), names)


def _best(likely: Tensor, not_these: Tensor | None, score: Tensor, pose: Tensor, mirror: Tensor) -> Best:
    """The best of the images `likely` [n, k], of scores, poses and whether mirrored, all [n · k]."""
    score = score.view_as(likely)
    if not_these is not None:
        score = score.masked_fill(not_these.gather(1, likely), -1.0)
    best = score.topk(min(PROPOSED, likely.shape[1]), dim=1).indices
    return Best(*(part.view_as(likely).gather(1, best) for part in (likely, pose, mirror)))


def _decide(
    pictures: Tensor, known: Tensor, proposals: Proposals, not_these: Tensor | None
) -> tuple[Tensor, Tensor, list[str]]:
    """Correlation [n] of the best proposal after refinement, its gallery row [n] and pose in words."""
    import torch

    columns = torch.arange(proposals.row.shape[1]).expand(len(pictures), -1)
    score, maps = _refine(pictures, known, proposals, columns, FIRST, not_these)
    kept = score.topk(min(KEPT, score.shape[1]), dim=1).indices
    proposals = proposals._replace(gallery=maps)
    final, _ = _refine(pictures, known, proposals, kept, STEPS - FIRST, not_these)
    index, best = torch.arange(len(pictures)), final.argmax(dim=1)
    chosen = kept[index, best]
    mirror, pose = proposals.mirror[index, chosen].tolist(), proposals.pose[index, chosen].tolist()
    words = [_words(proposals.names[number], flag) for number, flag in zip(pose, mirror, strict=True)]
    return final[index, best], proposals.row[index, chosen], words


def _refine(
    pictures: Tensor, known: Tensor, proposals: Proposals, columns: Tensor, steps: int, not_these: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Correlations [n, k] that so many steps reach from proposals `columns` [n, k], and maps [n, k, 2, 3] there."""
    import torch

    index = torch.arange(len(pictures))
    scores, maps = torch.empty(columns.shape), torch.empty(*columns.shape, 2, 3)
    for place, column in enumerate(columns.T):
        row = proposals.row[index, column]
        seen, inside = _query(pictures, proposals, column)
        scores[:, place], maps[:, place] = refined(seen, inside, known[row], proposals.gallery[index, column], steps)
        if not_these is not None:
            scores[:, place].masked_fill_(not_these[index, row], -1.0)
    return scores, maps


def _query(pictures: Tensor, proposals: Proposals, column: Tensor) -> tuple[Tensor, Tensor]:
    """The queries as the proposals `column` [n] pose them."""
    import torch

    index = torch.arange(len(pictures))
    maps = mirrored(proposals.query[index, column], proposals.mirror[index, column])
    return posed(pictures, maps, MAP)


def _words(name: str, mirror: bool) -> str:
    return ", ".join(word for word in ("mirrored" if mirror else "", name) if word) or "as it is"


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
