"""Whether samples show train people: the matchers of the gate, measured by people who are not trained on.

A picture that is like everybody, as samples of a network are that has learned little, is alike to somebody among many
train images too. What counts is therefore how much more a picture is like its nearest train image than like its nearest
image of held-out people, and how seldom held-out people themselves reach that, each against the others.
Legend: B pictures, C channels and H, W pixels of an image, g train images, s strangers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..core.errors import InputError
from ..core.seeds import derive_seed, numpy_rng
from ..matching.base import Matcher
from ..matching.registry import MATCHERS
from ..matching.strangers import Scale
from ..metrics.exceedances import Exceedances
from ..metrics.intervals import clopper_pearson_lower, clopper_pearson_upper

MOST_REFERENCES, MOST_STRANGERS = 2048, 400
"""Train images, and held-out people with one image each, that take part at most: the same ones at every measurement."""
FITTED = 256
"""Train images that matchers learn their filters from, at most; strangers measure their scores."""
REFERENCE_BYTES, QUERY_BYTES = 320_000, 320_000
"""What the galleries of our matchers hold of an image, and what scoring takes of a sample, at most; measured."""


@dataclass(frozen=True)
class People:
    """Images uint8 [n, C, H, W] and whom they show, str [n]."""

    images: np.ndarray
    subjects: np.ndarray


@dataclass(frozen=True)
class Look:
    """A matcher with a gallery of train images and one of strangers, and the strangers' scale of the difference."""

    matcher: Matcher[Any]
    train: Any
    strangers: Any
    scale: Scale

    @classmethod
    def fit(
        cls, name: str, train: People, strangers: People, *, seed: int, device: torch.device
    ) -> tuple[Look, np.ndarray]:
        """The look of the matcher `name`, and the strangers' scores float32 [s], each compared with the others."""
        part, rng = MATCHERS.get(name), numpy_rng(seed, "fitted")
        some = np.sort(rng.permutation(len(train.images))[:FITTED])
        with _named(name):
            matcher = part.fit(
                train.images[some],
                train.subjects[some],
                part.config(),
                seed=derive_seed(seed, "matcher", name),
                device=device,
            )
            known, unknown = (matcher.enrol(people.images.copy(), people.subjects) for people in (train, strangers))
            more = matcher.score(strangers.images.copy(), known).score
            more = more - matcher.score(strangers.images.copy(), unknown, strangers.subjects).score
        scale = Scale.of(more[np.isfinite(more), None])
        return cls(matcher, known, unknown, scale), scale.apply(more[:, None])[:, 0]

    def score(self, images: np.ndarray) -> np.ndarray:
        """float32 [B]: how much more like a train image than like a stranger, in spreads of strangers."""
        known, unknown = (self.matcher.score(images.copy(), gallery).score for gallery in (self.train, self.strangers))
        return self.scale.apply((known - unknown)[:, None])[:, 0]


@dataclass(frozen=True)
class Matches:
    """The share of samples that match, its one-sided 95 % bounds, and whether they are too many."""

    rate: float
    lower: float
    upper: float
    too_many: bool


@dataclass(frozen=True)
class CopyCheck:
    """What matchers see, the score above which it is a match, and how many matches among how many are too many."""

    looks: tuple[Look, ...]
    limit: float
    test: Exceedances

    @classmethod
    def fit(
        cls,
        train: People,
        strangers: People,
        *,
        matchers: Sequence[str],
        test: Exceedances,
        seed: int,
        device: torch.device,
    ) -> CopyCheck:
        """The check whose limit and number of matches are those of `test`.

        `strangers` are one image a person. A matcher that cannot take the images is an `InputError`.
        """
        if test.strangers != len(strangers.images):
            raise ValueError(f"the test is one against {test.strangers} strangers, not {len(strangers.images)}")
        looks = [Look.fit(name, train, strangers, seed=seed, device=device) for name in matchers]
        reached = _largest([scores for _, scores in looks])
        return cls(tuple(look for look, _ in looks), float(np.sort(reached)[-test.rank]), test)

    def score(self, images: np.ndarray) -> np.ndarray:
        """float32 [B]: the largest score of any matcher; infinite where one cannot tell."""
        return _largest([look.score(images) for look in self.looks])

    def matches(self, images: np.ndarray) -> Matches:
        """What is found among `images` uint8 [B, C, H, W], as many as the check is for."""
        if len(images) != self.test.count:
            raise ValueError(f"the check is one of {self.test.count} samples, not of {len(images)}")
        found, count = int((self.score(images) > self.limit).sum()), len(images)
        bounds = clopper_pearson_lower(found, count), clopper_pearson_upper(found, count)
        return Matches(found / count, *bounds, found >= self.test.least)

    @staticmethod
    def memory(enrolled: int, samples: int) -> tuple[int, int]:
        """Bytes of a check with so many `enrolled` train images and strangers, and what so many samples take besides.

        The latter are the samples' own and their likenesses to all images under the pose that is looked at.
        """
        return REFERENCE_BYTES * enrolled, samples * (QUERY_BYTES + 12 * enrolled)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Says which matcher cannot take the images."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"The matcher {name!r} cannot compare these images: {error}",
            where="[diffusion] monitor_matchers",
            how="leave it out",
        ) from error


def _largest(scores: Sequence[np.ndarray]) -> np.ndarray:
    stacked = np.stack(scores)
    found: np.ndarray = np.where(np.isnan(stacked), np.inf, stacked).max(axis=0)
    return found
