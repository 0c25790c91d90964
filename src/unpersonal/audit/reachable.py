"""Which verdicts a number of people can reach, said before anything is trained.

Of a release that tells nothing about anybody every figure is chance alone, so that the probability with which all upper
bounds come under their margins follows from the numbers of people and images. Attacks share people and release, and
how they depend on each other nobody knows: `Chance` brackets what is true for every dependence (of scores that are
jointly normal). How surely copied people would be found is another question, which each audit answers itself.

Legend: n train people, m control people, K attacks, z a quantile of the standard normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from ..core.figures import Figures
from ..metrics.exceedances import false_alarm
from ..metrics.intervals import beta_bounds
from .bounds import FALSE_POSITIVES, SLOPE_UP_TO, Estimate, z_of
from .isolation_rows import TOP
from .profiles import Profile
from .weights import FEWEST

Design = Literal["split", "swap"]
DESIGNS: tuple[Design, ...] = ("split", "swap")
CHANCE = 0.01
"""Largest share of people whom predicates of the audit's weights isolate by chance, and largest success of one bet."""
SURE = 0.9
"""Probability of `pass` with which a profile counts as reached."""
EXPLAINED = 0.5
"""Share of the variance of ranks that looks may foretell (`foretold`): how much it is, the audit itself finds."""
LOOSE = 2.0
"""Factor by which the chance of missing the margin of true positives may be off: its closed form is approximate."""
MOST_PEOPLE = 100_000


@dataclass(frozen=True)
class Numbers:
    """People in each part of a cohort, images of the release, and attacks of every kind."""

    train: int
    control: int
    auxiliary: int
    released: int
    attacks: int
    labels: bool = True
    """Whether labels are given, which attacks infer."""


@dataclass(frozen=True)
class Chance(Figures):
    """A probability of which only `least` and `most` are known."""

    least: float
    most: float


@dataclass(frozen=True)
class Reach(Figures):
    """What a spotless release reaches under a profile with a design.

    `passes` brackets the probability of `pass`. `limiting` is the figure that is the least likely to come under its
    margin. `people_needed` is the size of the whole cohort from which on `passes.least` is `SURE`; None: not below
    `MOST_PEOPLE`.
    """

    profile: str
    design: Design
    passes: Chance
    limiting: str
    people_needed: int | None

    @property
    def within_reach(self) -> bool:
        """Whether a spotless release may pass at all, in one of twenty audits or more."""
        return self.passes.most >= 0.05


def pass_chances(
    numbers: Numbers, profile: Profile, *, design: Design = "split", confidence: float = 0.95
) -> dict[str, Chance]:
    """For each primary figure, how probably its bounds come under their margin for a spotless release.

    `confidence` is the one-sided confidence of every upper bound.
    """
    n, m = _sides(numbers, design)
    z, attacks = z_of(confidence), numbers.attacks
    bets = max((count for count in TOP if count <= numbers.released), default=0)
    found = {
        "membership AUROC": _two_sided(
            math.sqrt((n + m + 1) / (12 * n * m)),
            profile.auroc - 0.5,
            attacks,
            z,
            # the scores of a swap are paired instead
            EXPLAINED if design == "split" else 0.0,
        ),
        "true-positive rate at 1 % false positives": _true_positives(n, m, profile.tpr, attacks, z),
        "people isolated": _rate(n, profile.isolated, attacks, confidence),
        "success of the first bets": _rate(bets, profile.top, attacks, confidence),
    }
    if numbers.labels:
        spread = math.sqrt(0.25 / n + 0.25 / m)  # the most that a difference of two shares can vary
        found["inference above control"] = _two_sided(spread, profile.inference, attacks, z)
    return found


def reachable(
    numbers: Numbers,
    profile: Profile,
    *,
    design: Design = "split",
    confidence: float = 0.95,
    needed: int | None = None,
) -> Reach:
    """What a spotless release reaches; `needed` is passed on as `people_needed`."""
    if not _playable(numbers, design):
        return Reach(profile.name, design, Chance(0.0, 0.0), "number of people", needed)
    figures = pass_chances(numbers, profile, design=design, confidence=confidence)
    missed = sum(1.0 - each.least for each in figures.values())
    passes = Chance(max(1.0 - missed, 0.0), min(each.most for each in figures.values()))
    limiting = min(figures, key=lambda name: (figures[name].most, figures[name].least))
    return Reach(profile.name, design, passes, limiting, needed)


def people_needed(
    shares: Mapping[str, float],
    profile: Profile,
    *,
    attacks: int,
    design: Design = "split",
    labels: bool = True,
    confidence: float = 0.95,
) -> int | None:
    """The size of a cohort from which on a spotless release passes with probability `SURE` at least.

    `shares` are those of `train`, `control` and `aux`; as many images are released as people train. Bounds of
    counts jump, so that four sizes in a row, 5 % apart, must be enough; None where none below `MOST_PEOPLE` are.
    """

    def enough(people: int) -> bool:
        numbers = numbers_of(people, shares, attacks=attacks, labels=labels)
        return reachable(numbers, profile, design=design, confidence=confidence).passes.least >= SURE

    return _first_run(enough, run=4)


def numbers_of(people: int, shares: Mapping[str, float], *, attacks: int, labels: bool = True) -> Numbers:
    """The parts of a cohort of so many people, divided by `shares`; an image is released for every train person."""
    train, control, auxiliary = (round(people * shares[name]) for name in ("train", "control", "aux"))
    return Numbers(train, control, auxiliary, train, attacks, labels)


def _first_run(enough: Callable[[int], bool], run: int) -> int | None:
    """The first of `run` sizes in a row, rounded up to tens, that are all enough."""
    size, first, row = 20, 0, 0
    while size < MOST_PEOPLE:
        if enough(size):
            first, row = (size, 1) if row == 0 else (first, row + 1)
            if row == run:
                return first
        else:
            row = 0
        size = max(size + 10, math.ceil(size * 1.05 / 10) * 10)
    return None


def _playable(numbers: Numbers, design: Design) -> bool:
    """Whether there are people enough for a game at all; the auxiliary people are halved."""
    side = numbers.train // 2 if design == "swap" else min(numbers.train, numbers.control)
    return min(side, numbers.auxiliary // 2) >= FEWEST


def _sides(numbers: Numbers, design: Design) -> tuple[int, int]:
    """How many people stand for train and for control.

    With `swap` all n train people are both: two games of n/2 a side, whose mean AUROC varies by (n + 1) / (6 n²) if the
    two scores of a person do not depend on each other, as that of n against n others; by less if they rise together.
    """
    return (numbers.train, numbers.train) if design == "swap" else (numbers.train, numbers.control)


def _two_sided(spread: float, room: float, attacks: int, z: float, explained: float = 0.0) -> Chance:
    """Chance that a normal figure and its sign-reversed twin, of standard deviation `spread`, stay under `room`.

    |x| + z·spread <= room for all attacks; at best looks foretell the share `explained` of the variance. Jointly normal
    |x| are all small at least as probably as if they were independent, whatever their correlations (Šidák 1967), and at
    most as probably as a single one. The AUROC of scores that tell nothing varies by (n + m + 1) / (12 n m) (Mann &
    Whitney 1947).
    """
    usual, best = (
        1.0 - 2.0 * float(special.ndtr(-max(room / each - z, 0.0)))
        for each in (spread, spread * (1 - explained) ** 0.5)
    )
    return Chance(usual**attacks, best)


def _rate(people: int, margin: float, attacks: int, confidence: float) -> Chance:
    """Chance that few enough of `people` are hit, each with probability `CHANCE` at most and perhaps never.

    Few enough: the exact upper bound (Clopper & Pearson 1934) is at most `margin`.
    """
    most = _largest(people, lambda hits: beta_bounds(hits, people, confidence)[1] <= margin)
    if most < 0:
        return Chance(0.0, 0.0)
    return Chance(max(1.0 - attacks * (1.0 - float(special.bdtr(most, people, CHANCE))), 0.0), 1.0)


def _true_positives(n: int, m: int, margin: float, attacks: int, z: float) -> Chance:
    """Chance that few enough train people lie above a threshold that 1 % of the control people exceed.

    The number above the k-th largest control score is beta-binomial, whatever the scores. How wide its bound is depends
    on the slope of the ROC curve behind the threshold (`bounds.tpr_estimate`), which varies about 1 by chance and is
    integrated out. Both signs of every attack count, by the union bound.
    """
    width = SLOPE_UP_TO - FALSE_POSITIVES
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    slopes = np.maximum(1.0, 1.0 + nodes * math.sqrt(width * (1.0 - width) * (1.0 / n + 1.0 / m)) / width)
    below = [_below(n, m, _most_true_positives(n, m, margin, z, float(slope))) for slope in slopes]
    missed = 1.0 - min(float(np.dot(weights, below) / weights.sum()), 1.0)
    return Chance(max(1.0 - LOOSE * 2 * attacks * missed, 0.0), 1.0 - missed / LOOSE if missed < 1.0 else 0.0)


def _most_true_positives(n: int, m: int, margin: float, z: float, slope: float) -> int:
    """The most train people above the threshold with whom the bound keeps `margin`; -1: not even with none."""
    rest = slope**2 * FALSE_POSITIVES * (1.0 - FALSE_POSITIVES) / m
    return _largest(n, lambda hits: Estimate(hits / n, rest, n).upper(z) <= margin)


def _largest(below: int, holds: Callable[[int], bool]) -> int:
    """The largest number under `below` for which it holds, as it does for all smaller ones; -1: for none."""
    low, high = -1, below
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _below(n: int, m: int, hits: int) -> float:
    """P(at most `hits` of n train people above the threshold)."""
    return 1.0 - false_alarm(n, hits + 1, m, FALSE_POSITIVES * m) if hits >= 0 else 0.0
