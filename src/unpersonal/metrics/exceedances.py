"""How many of n may exceed what few strangers exceed, and how many must be looked at to see that too many do.

A limit is the k-th largest score of s strangers. For scores of one continuous distribution the share of it above the
limit is Beta(k, s - k + 1), whatever the distribution, so that the number of n further scores above it is
beta-binomial: the uncertainty of a limit that s strangers set is in the test, exactly (exceedance test; Gumbel and von
Schelling, Annals of Mathematical Statistics 1950).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

LEVEL = 0.05
"""Probability at most that those who are as the strangers are taken for more."""
POWER = 0.8
"""Probability at least with which a rate is seen that must be."""
SURE = (0.95, POWER)
"""With the first, where strangers allow it, fewer than `least` put the 95 % upper bound of the rate under `rate`."""
RATE = 0.05
"""Share of scores above the limit that must be seen: who sees only larger ones has not looked."""
LARGEST_SHARE = 0.02
"""Share of the strangers that may lie above a limit: with a laxer one much is called alike that is not."""


@dataclass(frozen=True)
class Exceedances:
    """A test on `count` scores: too many are above the `rank`-th largest of `strangers` where `least` or more are.

    `power` is the probability that this is seen where the true share above the limit is `rate`.
    """

    count: int
    strangers: int
    rate: float
    rank: int
    least: int
    power: float

    @property
    def possible(self) -> bool:
        """Whether any number of scores above the limit would be too many."""
        return self.least <= self.count

    @property
    def sight(self) -> float:
        """`power`, at `RATE` where the test is for a larger one: how surely that is seen which must be."""
        return power(self.count, self.least, min(self.rate, RATE))


def plan(count: int, strangers: int, rate: float, powers: tuple[float, ...] = (POWER,)) -> Exceedances:
    """The test of `count` scores against so many `strangers` that is to see `rate`: least false alarms, laxest limit.

    `least` is the largest number with which the power is the first of `powers` with which some rank keeps the level,
    and the rank the largest that does, up to `LARGEST_SHARE` of the strangers. Where none does, the limit is the
    largest score of the strangers and the power what it then is. Raises `ValueError` without strangers.
    """
    if strangers < 1:
        raise ValueError("a limit is set by one stranger at least")
    ranks = range(max(int(LARGEST_SHARE * strangers), 1), 0, -1)
    wanted, rank = 0, 1
    for asked in powers:
        wanted = next((least for least in range(count, 0, -1) if power(count, least, rate) >= asked), 0)
        rank = next((k for k in ranks if wanted and false_alarm(count, wanted, strangers, k) <= LEVEL), 0)
        if rank:
            break
    rank = max(rank, 1)
    least = max(wanted, least_surprising(count, strangers, rank))
    return Exceedances(count, strangers, rate, rank, least, power(count, least, rate))


def false_alarm(count: int, least: int, strangers: int, rank: float) -> float:
    """Probability that `least` or more of `count` scores exceed the `rank`-th largest of `strangers` like them.

    A rank between two stands for a limit between the two scores.
    """
    found = np.arange(max(least, 0), count + 1)
    if len(found) == 0:
        return 0.0
    ways = special.gammaln(count + 1) - special.gammaln(found + 1) - special.gammaln(count - found + 1)
    above = special.betaln(found + rank, count - found + strangers - rank + 1) - special.betaln(
        rank, strangers - rank + 1
    )
    return float(min(np.exp(ways + above).sum(), 1.0))


def least_surprising(count: int, strangers: int, rank: int) -> int:
    """The least number of scores above the limit that has a probability of `LEVEL` at most; `count` + 1: none has."""
    return next(least for least in range(1, count + 2) if false_alarm(count, least, strangers, rank) <= LEVEL)


def power(count: int, least: int, rate: float) -> float:
    """Probability that `least` or more of `count` scores are above a limit that a share `rate` of them exceeds."""
    if least <= 0:
        return 1.0
    return float(special.betainc(least, count - least + 1, rate)) if least <= count else 0.0


def least_count(strangers: int, rate: float, most: int = 2000, asked: float = POWER) -> int | None:
    """The fewest scores with which `rate` is seen with power `asked` against so many `strangers`; None: not `most`."""
    least = 1
    for count in range(1, most + 1):
        if power(count, least, rate) < asked:
            continue
        if false_alarm(count, least, strangers, 1) <= LEVEL:
            return count
        least += 1
    return None
