"""What a matcher is: a gallery of people is enrolled once, and every query is scored against the whole of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from ..core.config import Config

if TYPE_CHECKING:
    import torch

Gallery = TypeVar("Gallery")


@dataclass(frozen=True)
class Scores:
    """For each of q queries its likeness to the gallery; the higher, the more certainly one person."""

    score: np.ndarray
    """float32 [q]: the best score over the whole gallery; NaN where the matcher cannot tell."""
    nearest: np.ndarray
    """int64 [q]: the gallery row that reached it."""
    how: np.ndarray | None = None
    """object [q] of str: what the matcher saw there (a pose, a place) in a few words; None where it does not tell."""


def flags(score: np.ndarray, threshold: float) -> np.ndarray:
    """bool [q]: every score that is not strictly below `threshold`.

    NaN, an infinite score and a threshold that is not finite flag as well: what cannot be told is not clean.
    """
    below: np.ndarray = np.isfinite(score) & (score < threshold) & bool(np.isfinite(threshold))
    return ~below


class Matcher(Protocol[Gallery]):
    """Says how much a picture looks like one of the people of a gallery.

    The score of a query depends on the query and the gallery alone, never on other queries. Images are uint8 arrays
    [n, C, H, W] of one shape. What `enrol` returns is the matcher's own affair.
    """

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> Gallery:
        """The gallery of n images of `subjects` [n] (str); no image is a `ValueError`."""

    def score(self, queries: np.ndarray, gallery: Gallery, own: np.ndarray | None = None) -> Scores:
        """The best score of every query over the gallery, without the images of subject `own` [q] (str) if given.

        A query that nobody is left for scores as the least alike that there is, never as NaN.
        """


@runtime_checkable
class Hasty(Protocol):
    """A matcher that may stop looking at a query once it is sure to be flagged, where nothing else is asked."""

    def score_until(self, queries: np.ndarray, gallery: Any, enough: float) -> Scores:
        """As `Matcher.score`, but of a query whose best score reaches `enough` any of its scores that does will do."""


class MatcherPart(Protocol):
    """What a module of `matching/matchers`, or another package, offers: how a matcher is made, and made again."""

    @property
    def config(self) -> type[Config]:
        """The class of its own configuration."""

    def fit(
        self, images: np.ndarray, subjects: np.ndarray, config: Any, *, seed: int, device: torch.device
    ) -> Matcher[Any]:
        """A matcher that has learned from train images of `subjects` [n], or a closed form, which learns nothing.

        The result must follow from the arguments alone.
        """

    def save(self, matcher: Any) -> Mapping[str, torch.Tensor]:
        """What a matcher of this part has learned, to be kept as safetensors; nothing where it is a closed form."""

    def load(self, state: Mapping[str, torch.Tensor], config: Any, *, device: torch.device) -> Matcher[Any]:
        """The matcher of which `save` gave `state`."""
