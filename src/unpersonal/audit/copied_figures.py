"""Figures of the search for copied people, and of the least leak that it would have found."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures, absent


@dataclass(frozen=True, kw_only=True)
class RepeatFigures(Figures):
    """How many released images repeat another one, in how many clusters, and how many the largest cluster has.

    `likeness` is the least correlation of local-contrast maps that is called a repeat; `strangers` set it.
    """

    images: int
    clusters: int
    largest: int
    likeness: float
    strangers: int


@dataclass(frozen=True, kw_only=True)
class MatcherFinding(Figures):
    """What one matcher found: `images` train subjects are named in, beyond the limits of closeness and margin.

    The limits rest on `known` innocent values; None where these are too few.
    """

    matcher: str
    images: int | str
    known: int
    closeness: float | None
    margin: float | None


@dataclass(frozen=True, kw_only=True)
class Copied(Figures):
    """Released images that copy train subjects, and how many subjects; `<5` where fewer, also where none were found.

    `identical` are train images pixel for pixel. `control_images` are nearly copies of control subjects, who did not
    train. `released` pictures were searched; beside a release it is how many were released, or the difference would be
    what was dropped. `carried` says whether anybody was known well enough to set a limit. `dropped` images were taken
    out of the release, and all other figures of the audit are of what remains; left out where the audit drops nothing.
    """

    found: bool
    images: int | str
    people: int | str
    identical: int | str
    released: int
    level: float
    matchers: tuple[MatcherFinding, ...]
    carried: bool
    control_images: int | str
    repeats: RepeatFigures
    dropped: int | str | None = absent()


@dataclass(frozen=True, kw_only=True)
class LeakRow(Figures):
    """Copies of a kind at a strength: the share of planted ones found, and its one-sided 95 % lower bound.

    `persons` is the least number of people, one copy each, of whom somebody is found with a probability of `POWER`;
    `images` the least number of copies of one person with which that person is. None where there is no such number.
    """

    kind: str
    planted: int
    seen: float
    seen_lower: float
    persons: int | None
    images: int | None


@dataclass(frozen=True, kw_only=True)
class Detectable(Figures):
    """The least leaks of every kind. `persons` is the largest number over kinds to which no release may be blind by
    default, None where one of them has none; `blind` are all kinds that have none.
    """

    power: float
    persons: int | None
    blind: tuple[str, ...]
    kinds: tuple[LeakRow, ...]
