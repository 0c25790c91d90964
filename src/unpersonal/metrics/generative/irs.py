"""Image Retrieval Score: how many training images a sampler can reach, from how many it did reach.

Dombrowski et al., "Image Generation Diversity Issues and How to Tame Them", arXiv 2411.16171, section 3. Each of n
queries (synthetic, or held-out real, images) retrieves its nearest training image; k distinct ones are hit. If s
training images were reachable, all equally likely, then

    P(k | s) = S(n, k) * s! / ((s - k)! * s^n),        S = Stirling number of the second kind,

the distribution of occupied cells. The score is the s of largest likelihood, divided by the number of training images.
Words: n = n_sampled, k = k_measured, s = number of reachable training images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from ...core.config import Config
from ..features import share_rows
from ..metric import FeatureSets, Figure, Need
from ..neighbours import nearest
from ..occupancy import design_effect, ratio_interval

TAIL = 0.05
"""Probability left out on either side of the interval of s."""

EXACT_UP_TO = 4000
"""Largest n whose Stirling numbers are computed exactly (n^2 / 2 additions of logarithms)."""


def _root_gap(v: np.ndarray) -> np.ndarray:
    """g = 1 - G with G in (0, 1) the root of G = v exp(G - v), v > 1.

    G = -W0(-v exp(-v)) loses half its digits as v nears 1, so three Newton steps on log1p(-g) + g = ln v - v + 1
    follow.
    """
    target = np.log1p(v - 1.0) - (v - 1.0)
    g = np.asarray(1.0 + special.lambertw(-v * np.exp(-v)).real)
    for _ in range(3):
        inside = g < 1.0 - 1e-12
        slope = np.where(inside, -g / np.where(inside, 1.0 - g, 1.0), -1.0)
        step = np.where(inside, (np.log1p(-np.where(inside, g, 0.0)) + g - target) / slope, 0.0)
        g = np.asarray(np.clip(g - step, 1e-300, 1.0))
    return g


def log_stirling2(n: int, k: int | np.ndarray) -> np.ndarray:
    """ln S(n, k) by Temme's uniform approximation, float64 of the shape of `k` (1 <= k <= n).

    With v = n / k and G the root in (0, 1) of G = v exp(G - v) (Temme, Studies in Applied Mathematics 1993):
    ln S ~ ln((v-1) / (v(1-G))) / 2 + (n-k) ln((v-1) / (v-G)) + n ln k - k ln n + k(1-G) + ln C(n, k).
    ln S(n, n) = 0. Off by at most 0.014 from n = 5 on, 0.042 below.
    """
    k = np.asarray(k, dtype=np.float64)
    if n < 1 or (k < 1).any() or (k > n).any():
        raise ValueError("Stirling numbers are wanted for 1 <= k <= n")
    kk = np.where(k == n, n / 2.0 if n > 1 else 0.5, k)
    v = n / kk
    g = _root_gap(v)
    log_choose = special.gammaln(n + 1.0) - special.gammaln(kk + 1.0) - special.gammaln(n - kk + 1.0)
    value = (
        0.5 * np.log((v - 1.0) / (v * g))
        + (n - kk) * (np.log(v - 1.0) - np.log(v - 1.0 + g))
        + n * np.log(kk)
        - kk * np.log(n)
        + kk * g
        + log_choose
    )
    return np.where(k == n, 0.0, value)


@lru_cache(maxsize=8)
def log_stirling2_row(n: int) -> np.ndarray:
    """ln S(n, j) for j = 0..n: exact for small n, Temme's form with exact ends for large n."""
    if n > EXACT_UP_TO:
        row = np.concatenate([[-np.inf], log_stirling2(n, np.arange(1, n + 1))])
        row[1], row[n - 1] = 0.0, np.log(n) + np.log(n - 1.0) - np.log(2.0)
        return row
    row = np.full(n + 1, -np.inf)
    row[0] = 0.0
    log_j = np.concatenate([[-np.inf], np.log(np.arange(1, n + 1))])
    for _ in range(n):
        row[1:] = np.logaddexp(row[1:] + log_j[1:], row[:-1])
        row[0] = -np.inf
    return row


def log_probability(n_sampled: int, k: int, s: int, *, approximate: bool = False) -> float:
    """ln P(k | s): exactly k distinct hits among n_sampled draws from s equally likely images.

    -inf where k > s. `approximate` takes Stirling's number from `log_stirling2` whatever the size.
    """
    if k > s:
        return float("-inf")
    stirling = float(log_stirling2(n_sampled, k)) if approximate else float(log_stirling2_row(n_sampled)[k])
    return float(stirling + special.gammaln(s + 1.0) - special.gammaln(s - k + 1.0) - n_sampled * np.log(s))


def _tail(n_sampled: int, first: int, last: int, s: int, least_term: float | None) -> float:
    """Sum of P(K = j | s) for j from `first` to `last`, up or down, K the number of distinct hits; see `solve_irs`."""
    step = 1 if last >= first else -1
    j = np.arange(first, min(last, n_sampled, s) + step, step)
    if j.size == 0:
        return 0.0
    exact = least_term is None
    stirling = log_stirling2_row(n_sampled)[j] if exact else log_stirling2(n_sampled, j)
    log_p = stirling - special.gammaln(s - j + 1.0) + special.gammaln(s + 1.0) - n_sampled * np.log(s)
    terms = np.exp(log_p)
    small = np.flatnonzero(terms <= least_term) if least_term is not None else np.array([])
    return float(terms[: small[0]].sum() if small.size else terms.sum())


@dataclass(frozen=True)
class RetrievalScore:
    """How much of the training set a sample reaches; all counts are of training images."""

    n_train: int
    n_sampled: int
    k_measured: int
    n_learned: int
    """The s of largest likelihood; n_lower and n_upper leave out 5 % on their side."""
    n_lower: int
    n_upper: int

    @property
    def irs_alpha(self) -> float:
        """Share of the training images that were hit."""
        return self.k_measured / self.n_train

    @property
    def irs_inf(self) -> float:
        """Estimated share of the training images that endless sampling would hit."""
        return self.n_learned / self.n_train

    @property
    def irs_inf_lower(self) -> float:
        """Lower end of `irs_inf`."""
        return self.n_lower / self.n_train

    @property
    def irs_inf_upper(self) -> float:
        """Upper end of `irs_inf`."""
        return self.n_upper / self.n_train

    @property
    def k_pred_inf(self) -> int:
        """`n_learned` as the published package reports it: truncated after a division, at times one too small."""
        return int(self.irs_inf * self.n_train)


def _most_likely(n_train: int, n_sampled: int, k: int) -> int:
    """argmax of P(k | s) over s in [k, n_train]; the lowest wins a tie.

    P is unimodal in s, so that is the first s after which ln P(k | s+1) - ln P(k | s) <= 0. Comparing this closed form
    instead of two values of ln P keeps the digits that their difference would lose.
    """
    if n_sampled == 1:
        return 1
    s = np.arange(k, n_train, dtype=np.float64)
    gain = -np.log1p(-k / (s + 1.0)) - n_sampled * np.log1p(1.0 / s)
    stops = np.flatnonzero(gain <= 0.0)
    return k + int(stops[0]) if stops.size else n_train


def _upper(n_sampled: int, k: int, learned: int, n_train: int, tail: float, least_term: float | None) -> int:
    """Largest s in (learned, n_train] with P(K <= k | s) >= tail, else `learned`; P falls in s, so bisect."""
    low, high = learned, n_train
    while low < high:
        middle = (low + high + 1) // 2
        if _tail(n_sampled, k, 1, middle, least_term) >= tail:
            low = middle
        else:
            high = middle - 1
    return low


def _lower(n_sampled: int, k: int, learned: int, tail: float, least_term: float | None) -> int:
    """Smallest s in [k, learned) with P(K >= k | s) >= tail, else `learned`; P grows in s, so bisect."""
    low, high = k, learned
    while low < high:
        middle = (low + high) // 2
        if _tail(n_sampled, k, n_sampled, middle, least_term) >= tail:
            high = middle
        else:
            low = middle + 1
    return low


def solve_irs(
    n_train: int, n_sampled: int, k_measured: int, *, tail: float = TAIL, least_term: float | None = None
) -> RetrievalScore:
    """The score from its three counts; every input 1 <= k <= min(n_sampled, n_train) terminates.

    `tail` is the probability left out on either side of the interval. The published package ends the sum of a tail at
    the first term <= 1e-6 and takes every Stirling number from Temme's form, which moves an end of the interval by one
    where the tail of the next s lies that close to 5 %; `least_term` gives its ends instead of the exact ones.
    """
    if not 1 <= k_measured <= min(n_train, n_sampled):
        raise ValueError(f"{n_sampled} samples cannot hit {k_measured} of {n_train} training images")
    learned = _most_likely(n_train, n_sampled, k_measured)
    return RetrievalScore(
        n_train=n_train,
        n_sampled=n_sampled,
        k_measured=k_measured,
        n_learned=learned,
        n_lower=_lower(n_sampled, k_measured, learned, tail, least_term),
        n_upper=_upper(n_sampled, k_measured, learned, n_train, tail, least_term),
    )


def irs(train: np.ndarray, sample: np.ndarray) -> RetrievalScore:
    """Score of `sample` [n, d] against `train` [n_train, d], by Euclidean nearest training row."""
    hit, _ = nearest(sample, train)
    return solve_irs(np.shape(train)[0], hit.size, np.unique(hit).size)


def irs_adjusted(synthetic: RetrievalScore, test: RetrievalScore, *, as_reported: bool = True) -> float:
    """Reach of the synthetic set relative to that of held-out real images; may exceed 1.

    `as_reported` divides the truncated `k_pred_inf` as the published package does; otherwise the true integers.
    """
    if as_reported:
        return synthetic.k_pred_inf / test.k_pred_inf
    return synthetic.n_learned / test.n_learned


@dataclass(frozen=True)
class Reach:
    """A score with a 90 % interval of its number of reachable images that holds for people and for unequal images.

    `lower` and `upper` are those of the score, moved away from `n_learned` on the logarithmic scale by the root of the
    design effect; never more than all train images.
    """

    score: RetrievalScore
    lower: float
    upper: float

    @classmethod
    def of(cls, train: np.ndarray, rows: np.ndarray, subjects: np.ndarray | None, rng: np.random.Generator) -> Reach:
        """Of `rows` [n, d] against `train`; `subjects` [n] says whose they are, where that is known."""
        hits, _ = nearest(rows, train)
        score = solve_irs(len(train), hits.size, np.unique(hits).size)
        by = design_effect(hits, subjects, score.n_learned, rng) ** 0.5
        lower, upper = (score.n_learned * (end / score.n_learned) ** by for end in (score.n_lower, score.n_upper))
        return cls(score, max(lower, 1.0), min(upper, float(len(train))))

    @property
    def figure(self) -> tuple[float, float, float]:
        """(value, lower, upper) in train images."""
        return float(self.score.n_learned), self.lower, self.upper

    def shares(self) -> dict[str, float]:
        """Figures as shares of the train images."""
        count = self.score.n_train
        found = {"alpha": self.score.irs_alpha, "inf": self.score.irs_inf}
        return found | {"lower": self.lower / count, "upper": self.upper / count}


class RetrievalMetric:
    """Reach of the synthetic set into train, relative to that of the test set."""

    config = Config
    keys = ("irs", "irs_lower", "irs_upper", "irs_exact", "irs_synthetic", "irs_test")
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """Adjusted score, with a 90 % interval over test people and synthetic images; train is given.

        It says where the ratio would lie with other test people and other images, as many of both.
        """
        rng, size = sets.rng("irs"), min(len(sets.test), len(sets.synthetic))
        rows_test, rows_synthetic = (share_rows(len(rows), size, rng) for rows in (sets.test, sets.synthetic))
        whose = None if sets.subjects_test is None else np.asarray(sets.subjects_test)[rows_test]
        test = Reach.of(sets.train, sets.test[rows_test], whose, sets.rng("irs", "people"))
        synthetic = Reach.of(sets.train, sets.synthetic[rows_synthetic], None, rng)
        adjusted = irs_adjusted(synthetic.score, test.score)
        lower, upper = ratio_interval(synthetic.figure, test.figure)
        return {
            "irs": adjusted,
            "irs_lower": min(lower, adjusted),
            "irs_upper": max(upper, adjusted),
            "irs_exact": irs_adjusted(synthetic.score, test.score, as_reported=False),
            "irs_synthetic": synthetic.shares(),
            "irs_test": test.shares(),
        }


METRIC = RetrievalMetric()
