"""`mixtures`: is a picture the sum of people's pictures, a·x + b·y?

Fine detail is linear and as good as uncorrelated between people, so that each picture in a sum still correlates with
it. The first look is the largest correlation with one image, the second the length of the query's projection on the
best pair (greedy: partners of the few images that correlate most). Both are measured by strangers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...core.config import Config
from ..base import Scores
from ..fields import fine_detail, grey, leading_directions, typical_detail, unit_rows
from ..strangers import Own, Scale, barred, best_look, pick_strangers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

EDGE = 3
"""Working pixels left out at each edge, where filters see only half of their surroundings."""
FIRST = 8
"""Images of which partners are sought."""
DIMENSIONS = 512
"""Length of the vectors that pairs of gallery images are compared with."""
LEAST_LEFT = 0.05
"""Least squared length of a partner's component that the first image does not explain."""
LOOKS = ("alone", "with another")
QUERIES = 128
"""Queries scored at once: memory is bounded by this many rows of the gallery."""


@dataclass(frozen=True)
class MixtureGallery:
    """Whitened unit bands [g, p] of the images, and their projections [g, d]."""

    bands: Tensor
    projected: Tensor
    subjects: np.ndarray


@dataclass(frozen=True)
class MixturesMatcher:
    """The whitening [s, s], directions [p, d] and the strangers' scale of some people's images."""

    typical: Tensor
    directions: Tensor
    scale: Scale

    @classmethod
    def fitted(cls, images: np.ndarray, subjects: np.ndarray, seed: int) -> MixturesMatcher:
        """As these images uint8 [n, C, S, S] of `subjects` [n] have it."""
        bands = fine_detail(grey(images))
        typical = typical_detail(bands)
        rows = _rows(bands, typical)
        plain = cls(typical, leading_directions(rows, DIMENSIONS), Scale.plain(2))
        known = pick_strangers(subjects, seed)
        raw, _ = _looks(rows[known], plain.enrol(images, subjects), subjects[known])
        return cls(typical, plain.directions, Scale.of(raw))

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> MixtureGallery:
        """See `Matcher.enrol`."""
        if len(images) == 0:
            raise ValueError("the gallery is empty")
        rows = _rows(fine_detail(grey(images)), self.typical)
        return MixtureGallery(rows, rows @ self.directions, subjects)

    def score(self, queries: np.ndarray, gallery: MixtureGallery, own: np.ndarray | None = None) -> Scores:
        """See `Matcher.score`; a score is in spreads of strangers (`strangers.Scale`)."""
        raw, rows = _looks(_rows(fine_detail(grey(queries)), self.typical), gallery, own)
        return best_look(raw, rows, self.scale, np.broadcast_to(np.array(LOOKS, object), raw.shape))

    def to_tensors(self) -> dict[str, Tensor]:
        """The state, to be kept as safetensors."""
        return {"typical": self.typical, "directions": self.directions, **self.scale.to_tensors()}

    @classmethod
    def from_tensors(cls, state: Mapping[str, Tensor]) -> MixturesMatcher:
        """The matcher of which `to_tensors` gave `state`."""
        return cls(state["typical"], state["directions"], Scale.from_tensors(state))


def _rows(bands: Tensor, typical: Tensor) -> Tensor:
    inner = slice(EDGE, bands.shape[-1] - EDGE)
    return unit_rows((bands / typical)[:, inner, inner].flatten(1), least=1.0)


def _looks(queries: Tensor, gallery: MixtureGallery, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Raw scores [n, 2] of one image and of a pair, and rows [n, 2], both of the image that correlates most."""
    import torch

    raw, rows = np.empty((len(queries), 2), np.float32), np.empty((len(queries), 2), np.int64)
    left_out = Own.of(own, gallery.subjects)
    for start in range(0, len(queries), QUERIES):
        part = slice(start, start + QUERIES)
        likeness = queries[part] @ gallery.bands.T
        not_these = barred(left_out, part)
        if not_these is not None:
            likeness[not_these] = -1.0
        single, first = likeness.max(dim=1)
        pair = _pairs(likeness, gallery)
        raw[part] = torch.stack([single, pair], dim=1).numpy()
        rows[part] = first[:, None].numpy()
    return raw, rows


def _pairs(likeness: Tensor, gallery: MixtureGallery) -> Tensor:
    """Squared length [n] of the projection on the best pair, of correlations [n, g]."""
    import torch

    index = torch.arange(len(likeness))
    best = likeness.new_zeros(len(likeness))
    strongest = likeness.topk(min(FIRST, likeness.shape[1]), dim=1).indices
    for column in strongest.T:
        known = likeness[index, column].clamp_min(0)[:, None]
        shared = gallery.projected[column] @ gallery.projected.T
        left = (1 - shared * shared).clamp_min(LEAST_LEFT)
        gain = (likeness - known * shared).clamp_min(0).square() / left
        gain[index, column] = 0.0
        best = torch.maximum(best, known[:, 0].square() + gain.max(dim=1).values)
    return best


class Mixtures:
    """The part; there is nothing to configure."""

    config = Config

    def fit(
        self, images: np.ndarray, subjects: np.ndarray, config: Config, *, seed: int, device: torch.device
    ) -> MixturesMatcher:
        """See `MatcherPart.fit`: whitening, directions and scale come from the images."""
        return MixturesMatcher.fitted(images, subjects, seed)

    def save(self, matcher: MixturesMatcher) -> dict[str, Tensor]:
        """See `MatcherPart.save`."""
        return matcher.to_tensors()

    def load(self, state: Mapping[str, Tensor], config: Config, *, device: torch.device) -> MixturesMatcher:
        """See `MatcherPart.load`."""
        return MixturesMatcher.from_tensors(state)


MATCHER = Mixtures()
