"""Intervals for rates and for statistics over subjects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


def _check(successes: int, trials: int, confidence: float) -> None:
    if trials < 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials is not a count of successes")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence must lie strictly between 0 and 1, not {confidence}")


def clopper_pearson_lower(successes: int, trials: int, confidence: float = 0.95) -> float:
    """One-sided exact lower bound of a rate (Clopper & Pearson, Biometrika 1934).

    The rate p at which P(X >= successes) = 1 - confidence for X ~ Binomial(trials, p); 0 without successes or trials.
    """
    _check(successes, trials, confidence)
    return float(_binomial_interval(successes, trials, confidence, "greater").low) if trials else 0.0


def clopper_pearson_upper(successes: int, trials: int, confidence: float = 0.95) -> float:
    """One-sided exact upper bound of a rate (Clopper & Pearson, Biometrika 1934).

    The rate p at which P(X <= successes) = 1 - confidence; 1 where every trial succeeded or there was none.
    """
    _check(successes, trials, confidence)
    return float(_binomial_interval(successes, trials, confidence, "less").high) if trials else 1.0


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided exact interval (lower, upper) of a rate, (1 - confidence) / 2 on either side."""
    one_sided = (1.0 + confidence) / 2.0
    return clopper_pearson_lower(successes, trials, one_sided), clopper_pearson_upper(successes, trials, one_sided)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Wilson score interval (lower, upper) of a rate (Wilson, JASA 1927)."""
    _check(successes, trials, confidence)
    if trials == 0:
        return 0.0, 1.0
    interval = _binomial_interval(successes, trials, confidence, "two-sided", "wilson")
    return float(interval.low), float(interval.high)


def _binomial_interval(
    successes: int,
    trials: int,
    confidence: float,
    alternative: Literal["two-sided", "greater", "less"],
    method: Literal["exact", "wilson"] = "exact",
) -> Any:
    # scipy.stats takes half a second to import
    from scipy.stats import binomtest

    return binomtest(successes, trials, alternative=alternative).proportion_ci(confidence, method)


def beta_bounds(successes: float, trials: float, confidence: float) -> tuple[float, float]:
    """One-sided bounds (lower, upper) of a rate for a fractional number of successes.

    The closed form of the Clopper-Pearson bounds, which is defined there too: quantiles of Beta(successes,
    trials - successes + 1) and Beta(successes + 1, trials - successes).
    """
    lower = float(special.betaincinv(successes, trials - successes + 1.0, 1.0 - confidence)) if successes > 0 else 0.0
    upper = 1.0 if successes >= trials else float(special.betaincinv(successes + 1.0, trials - successes, confidence))
    return lower, upper


def poisson_interval(count: int, tail: float = 0.025) -> tuple[float, float]:
    """Exact interval (lower, upper) of a Poisson mean after `count` events (Garwood, Biometrika 1936).

    `tail` is the probability left out on either side.
    """
    lower = float(special.gammaincinv(count, tail)) if count else 0.0
    return lower, float(special.gammaincinv(count + 1, 1.0 - tail))


def subject_rows(subjects: ArrayLike) -> list[np.ndarray]:
    """The row numbers int64 of every subject, in the order of their names; `subjects` [n] names that of each row."""
    _, groups = np.unique(np.asarray(subjects).astype(str), return_inverse=True)
    if groups.size == 0:
        raise ValueError("a bootstrap needs at least one subject")
    return np.split(np.argsort(groups, kind="stable").astype(np.int64), np.cumsum(np.bincount(groups))[:-1])


def subject_bootstrap(
    subjects: ArrayLike,
    statistic: Callable[[np.ndarray], float],
    *,
    replicates: int = 1000,
    rng: np.random.Generator,
) -> np.ndarray:
    """Values of `statistic` over bootstrap samples of SUBJECTS, float64 [replicates].

    `subjects` [n] names the subject of every row. Each replicate draws as many subjects as there are, with
    replacement, and hands all rows of every drawn subject (repeated as often as it was drawn) to `statistic` as
    int64 row numbers. Rows of one person are never split, so the spread is that between people (cluster bootstrap,
    Davison & Hinkley 1997, section 3.8). NaN values of the statistic are kept; the caller decides about them.
    """
    rows_by_subject = subject_rows(subjects)
    values = np.empty(replicates, dtype=np.float64)
    for replicate in range(replicates):
        drawn = rng.integers(0, len(rows_by_subject), size=len(rows_by_subject))
        values[replicate] = statistic(np.concatenate([rows_by_subject[subject] for subject in drawn]))
    return values


def percentile_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided percentile interval (lower, upper) of bootstrap `values`; NaN values are left out.

    (NaN, NaN) if none remain.
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if kept.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return float(low), float(high)
