"""Whether samples show train people: the matchers of the gate, measured by people who are not trained on.

A picture that is like everybody, as samples of a network are that has learned little, is alike to somebody among many
train images too. What counts is therefore how much more a picture is like its nearest train image than like its nearest
image of held-out people, and how seldom held-out people themselves reach that, each against the others. Who was held
out under one name and trained on under another is no stranger: such twins are left out.
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
from ..matching.strangers import Scale, near_copies
from ..metrics.exceedances import RATE, SURE, Exceedances, plan, power
from ..metrics.intervals import clopper_pearson_lower, clopper_pearson_upper

MOST_REFERENCES, MOST_STRANGERS = 2048, 400
"""Train images, and held-out people with one image each, that take part at most: the same ones at every measurement."""
FITTED = 256
"""Train images that matchers learn their filters from, at most; strangers measure their scores."""
SAMPLED = 20
"""Train images whose scores show what an exact copy scores, and what a person does whom nobody has seen."""
CONFIRMING = 2
"""Times as many further samples are drawn where too many match. A training is measured a dozen times, and a level of
5 % each would end every third innocent one."""
CONFIRMED = 0.98
"""Probability at least with which a rate that must be noticed is confirmed."""
REFERENCE_BYTES, QUERY_BYTES = 320_000, 850_000
"""What the galleries of our matchers hold of an image, and what scoring takes of a sample, at most; measured."""


@dataclass(frozen=True)
class People:
    """Images uint8 [n, C, H, W] and whom they show, str [n]."""

    images: np.ndarray
    subjects: np.ndarray

    def take(self, rows: np.ndarray) -> People:
        """Those of `rows`, int64 or bool."""
        return People(self.images[rows], self.subjects[rows])


@dataclass(frozen=True)
class _Known:
    """A matcher with a gallery of train images, and what strangers score there, float32 [s]."""

    name: str
    matcher: Matcher[Any]
    train: Any
    scores: np.ndarray
    alike: np.ndarray
    """bool [s]: strangers whose picture is (nearly) that of a train image."""

    @classmethod
    def fit(cls, name: str, train: People, strangers: People, *, seed: int, device: torch.device) -> _Known:
        part, rng, count = MATCHERS.get(name), numpy_rng(seed, "fitted"), len(train.images)
        some = train.take(np.sort(rng.permutation(count)[:FITTED]))
        shown = train.take(np.unique(np.linspace(0, count - 1, SAMPLED).astype(np.int64)))
        with _named(name):
            matcher = part.fit(
                some.images,
                some.subjects,
                part.config(),
                seed=derive_seed(seed, "matcher", name),
                device=device,
            )
            known = matcher.enrol(train.images.copy(), train.subjects)
            scores = matcher.score(strangers.images.copy(), known).score
            copies = matcher.score(shown.images.copy(), known).score
            others = matcher.score(shown.images.copy(), known, shown.subjects).score
        return cls(name, matcher, known, scores, near_copies(scores, copies, others))


@dataclass(frozen=True)
class Look:
    """A matcher with a gallery of train images and one of strangers, and the strangers' scale of the difference."""

    matcher: Matcher[Any]
    train: Any
    strangers: Any
    scale: Scale

    @classmethod
    def against(cls, known: _Known, strangers: People, kept: np.ndarray) -> tuple[Look, np.ndarray]:
        """The look against `strangers`, those `kept` bool [s] of all, and their scores, each compared with the others.

        The scores are float32; those of strangers of whom the matcher cannot tell are not finite.
        """
        with _named(known.name):
            unknown = known.matcher.enrol(strangers.images.copy(), strangers.subjects)
            more = known.scores[kept] - known.matcher.score(strangers.images.copy(), unknown, strangers.subjects).score
        scale = Scale.of(more[np.isfinite(more), None])
        return cls(known.matcher, known.train, unknown, scale), scale.apply(more[:, None])[:, 0]

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
        count: int,
        rate: float,
        seed: int,
        device: torch.device,
    ) -> CopyCheck | None:
        """The check of `count` samples that is to notice a share `rate` of them; None where strangers set no limit.

        `strangers` are one image a person; those whose picture is a train image as well, and those of whom a matcher
        cannot tell, are left out: a limit above them would let copies pass. A matcher that cannot take the images is an
        `InputError`.
        """
        knowing = [_Known.fit(name, train, strangers, seed=seed, device=device) for name in matchers]
        kept = ~np.logical_or.reduce([known.alike for known in knowing])
        if not kept.any():
            return None
        looks = [Look.against(known, strangers.take(kept), kept) for known in knowing]
        reached = np.stack([scores for _, scores in looks])
        reached = reached[:, np.isfinite(reached).all(axis=0)].max(axis=0)
        if not len(reached):
            return None
        test = plan(count, len(reached), rate, SURE)
        return cls(tuple(look for look, _ in looks), float(np.sort(reached)[-test.rank]), test)

    def score(self, images: np.ndarray) -> np.ndarray:
        """float32 [B]: the largest score of any matcher; infinite where one cannot tell."""
        return _largest([look.score(images) for look in self.looks])

    @property
    def sight(self) -> float:
        """How surely a rate is noticed and confirmed that must be (see `sight`)."""
        return sight(self.test)

    def matches(self, images: np.ndarray) -> Matches:
        """What is found among `images` uint8 [B, C, H, W], as many as the check is for."""
        return self._found(images, self.test.count, self.test.least)

    def confirmed(self, images: np.ndarray) -> Matches:
        """What is found among further images, `CONFIRMING` times as many; only these say how often samples match."""
        return self._found(images, CONFIRMING * self.test.count, confirming(self.test))

    def _found(self, images: np.ndarray, count: int, least: int) -> Matches:
        if len(images) != count:
            raise ValueError(f"the check is one of {count} samples, not of {len(images)}")
        # as many at once as memory is planned for
        blocks = range(0, count, self.test.count)
        found = sum(int((self.score(images[at : at + self.test.count]) > self.limit).sum()) for at in blocks)
        bounds = clopper_pearson_lower(found, count), clopper_pearson_upper(found, count)
        return Matches(found / count, *bounds, found >= least)

    @staticmethod
    def memory(enrolled: int, samples: int) -> tuple[int, int]:
        """Bytes of a check with so many `enrolled` train images and strangers, and what so many samples take besides.

        The latter are the samples' own and their likenesses to all images under the pose that is looked at.
        """
        return REFERENCE_BYTES * enrolled, samples * (QUERY_BYTES + 12 * enrolled)


def confirming(test: Exceedances) -> int:
    """How many further samples confirm that too many match: the most that a rate to be noticed is sure to reach."""
    count = CONFIRMING * test.count
    return next((least for least in range(count, 1, -1) if power(count, least, test.rate) >= CONFIRMED), 1)


def sight(test: Exceedances) -> float:
    """The probability that matches are too many among the samples of `test` and are confirmed, at the rate it is for.

    At `RATE` where that is larger, as `Exceedances.sight` says.
    """
    return test.sight * power(CONFIRMING * test.count, confirming(test), min(test.rate, RATE))


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
