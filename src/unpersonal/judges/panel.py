"""The matchers of the gate with their gallery: they rule on queries one after the other, the cheap ones first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..matching.base import Hasty, Matcher, Scores, flags

REIDENTIFIER = "re-identifier"
"""What the learned matcher is called beside those of `[judges] matchers`."""
NOBODY = -1
"""In `Ruling.by`: no matcher flags the query."""
COSTS = {"mixtures": 1.0, "parts": 2.0, REIDENTIFIER: 2.0, "poses": 10.0}
"""What a query costs each matcher, about (`benchmarks.matching_cost`); others cost `COST`."""
COST = 5.0


@dataclass(frozen=True)
class Enrolled:
    """A matcher with its gallery."""

    name: str
    matcher: Matcher[Any]
    gallery: Any

    def score(self, queries: np.ndarray, own: np.ndarray | None = None) -> Scores:
        """One score and one gallery row for each of the queries uint8 [q, C, H, W], or a `ValueError`.

        See `Matcher.score` for `own`.
        """
        # a copy: no matcher may change what the others see, or what is released
        given = queries.copy()
        found = self.matcher.score(given, self.gallery) if own is None else self.matcher.score(given, self.gallery, own)
        return checked(found, len(queries))

    def score_until(self, queries: np.ndarray, enough: float) -> Scores:
        """As `score`; of a query that reaches `enough` any score that does, where the matcher can be hasty."""
        if isinstance(self.matcher, Hasty) and np.isfinite(enough):
            return checked(self.matcher.score_until(queries.copy(), self.gallery, enough), len(queries))
        return self.score(queries)


@dataclass(frozen=True)
class Ruling:
    """What the matchers say of q queries.

    `score` float32 [q] is the first matcher's (of a flagged query one that is enough, see `Hasty`), `by` int64 [q] the
    number of the matcher that flags the query (`NOBODY` where none does) and `nearest` int64 [q] the gallery row that
    it names; of a query that none flags the first's. `scores` float32 [M,q] are those of every matcher, NaN where it
    was not asked (None: not kept).
    """

    score: np.ndarray
    nearest: np.ndarray
    by: np.ndarray
    scores: np.ndarray | None = None

    @property
    def flagged(self) -> np.ndarray:
        """bool [q]: whether any matcher flags the query."""
        found: np.ndarray = self.by != NOBODY
        return found

    def likeness(self) -> np.ndarray:
        """How like somebody each query is beside the other clean ones, float64 [q] in (0, 1]; NaN where it is flagged.

        The mean over matchers of the share of clean queries that score no higher: scores of different matchers have no
        common unit. Without `scores` it is NaN throughout.
        """
        from scipy.stats import rankdata

        found, clean = np.full(len(self.by), np.nan), ~self.flagged
        if self.scores is not None and clean.any():
            found[clean] = rankdata(self.scores[:, clean], axis=1, nan_policy="propagate").mean(axis=0) / clean.sum()
        return found


def check_names(names: Iterable[str]) -> None:
    """`InputError` where a matcher is called like the learned one, whose place and threshold it would take."""
    if REIDENTIFIER in names:
        raise InputError(
            f"A matcher cannot be called {REIDENTIFIER!r}: that is the learned one, which always takes part",
            where="[judges] matchers",
            how="leave it out, or call the plug-in something else",
        )


@contextmanager
def named(name: str) -> Iterator[None]:
    """Whatever a matcher raises while it is trained, calibrated or loaded ends the stage with its name."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # whatever somebody's matcher raises
        raise InputError(
            f"The matcher {name!r} failed ({type(error).__name__}: {error})",
            where="[judges] matchers",
            how="correct it, or leave it out",
        ) from error


def enrol_all(
    reidentifier: Matcher[Any], matchers: Mapping[str, Matcher[Any]], images: np.ndarray, subjects: np.ndarray
) -> tuple[Enrolled, ...]:
    """Every matcher with its own gallery of `images` uint8 [g, C, H, W] of `subjects` [g]; the re-identifier first.

    Another one of its name is an `InputError`: it would stand in its place.
    """
    check_names(matchers)
    enrolled = []
    for name, matcher in {REIDENTIFIER: reidentifier, **matchers}.items():
        with named(name):
            enrolled.append(Enrolled(name, matcher, matcher.enrol(images.copy(), subjects)))
    return tuple(enrolled)


def rule(panel: Sequence[Enrolled], thresholds: Mapping[str, float], queries: np.ndarray) -> Ruling:
    """Rule on queries uint8 [q, C, H, W]: a matcher is asked about what those before it do not flag.

    A matcher that raises is an `InputError`; one without a threshold flags everything.
    """
    levels = [thresholds.get(enrolled.name, float("nan")) for enrolled in panel]
    with named(panel[0].name):
        first = panel[0].score_until(queries, levels[0])
    by, nearest = np.full(len(queries), NOBODY, np.int64), first.nearest.copy()
    by[flags(first.score, levels[0])] = 0
    scores = np.full((len(panel), len(queries)), np.nan, np.float32)
    scores[0] = first.score
    for number, enrolled in enumerate(panel[1:], start=1):
        left = np.flatnonzero(by == NOBODY)
        if not len(left):
            break
        with named(enrolled.name):
            found = enrolled.score_until(queries[left], levels[number])
        hit = flags(found.score, levels[number])
        by[left[hit]], nearest[left[hit]] = number, found.nearest[hit]
        scores[number, left] = found.score
    return Ruling(first.score, nearest, by, scores)


def by_cost(panel: Sequence[Enrolled], rates: Sequence[float]) -> tuple[Enrolled, ...]:
    """The matchers in the order in which a query is flagged at the least cost, where they flag shares `rates` of such.

    Whether any flags it does not hang on the order.
    """
    paid = {each.name: COSTS.get(each.name, COST) / max(rate, 1e-3) for each, rate in zip(panel, rates, strict=True)}
    return tuple(sorted(panel, key=lambda each: paid[each.name]))


def checked(scores: Scores, count: int) -> Scores:
    """`scores` with the dtypes that were promised; a `ValueError` unless there is one for each of `count` queries."""
    score, nearest = np.asarray(scores.score, dtype=np.float32), np.asarray(scores.nearest, dtype=np.int64)
    if score.shape != (count,) or nearest.shape != (count,):
        raise ValueError(f"{score.shape} scores and {nearest.shape} rows of {count} queries")
    return Scores(score, nearest, scores.how)
