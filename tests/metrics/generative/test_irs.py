"""The IRS solver against exact integer arithmetic, and against populations of known size."""

from __future__ import annotations

from fractions import Fraction
from math import factorial, log

import numpy as np
import pytest

from unpersonal.metrics.generative.irs import (
    EXACT_UP_TO,
    RetrievalScore,
    irs,
    irs_adjusted,
    log_probability,
    log_stirling2,
    log_stirling2_row,
    solve_irs,
)


def stirling2(n: int) -> list[int]:
    row = [1]
    for _ in range(n):
        row = [0] + [j * (row[j] if j < len(row) else 0) + row[j - 1] for j in range(1, len(row) + 1)]
    return row


def by_fractions(n_train: int, n: int, k: int) -> tuple[int, int, int]:
    """(argmax, lower, upper) with exact rational probabilities; n = 1 ties everywhere and the lowest wins."""
    row = stirling2(n)

    def p(j: int, s: int) -> Fraction:
        return Fraction(row[j] * factorial(s) // factorial(s - j), s**n) if j <= s else Fraction(0)

    candidates = range(k, n_train + 1)
    best = max(candidates, key=lambda s: (p(k, s), -s))
    tail = Fraction(1, 20)
    upper = [s for s in range(best + 1, n_train + 1) if sum(p(j, s) for j in range(1, k + 1)) >= tail]
    lower = [s for s in range(k, best) if sum(p(j, s) for j in range(k, min(n, s) + 1)) >= tail]
    return best, min(lower, default=best), max(upper, default=best)


@pytest.mark.parametrize(("n_train", "n"), [(1, 1), (1, 6), (2, 2), (6, 1), (9, 4), (12, 12), (15, 40), (25, 18)])
def test_every_count_agrees_with_exact_arithmetic(n_train: int, n: int) -> None:
    for k in range(1, min(n_train, n) + 1):
        score = solve_irs(n_train, n, k)
        assert (score.n_learned, score.n_lower, score.n_upper) == by_fractions(n_train, n, k), k


def occupied_at_most(n: int, k: int, s: int) -> float:
    """P(K <= k | s) by adding one draw after another: only sums of positive numbers, so exact to some 1e-12."""
    repeats = np.zeros(n + 1)
    repeats[0] = 1.0
    for drawn in range(n):
        again = np.clip(drawn - np.arange(drawn + 1), 0, None) / s
        moved = repeats[: drawn + 1] * again
        repeats[: drawn + 1] -= moved
        repeats[1 : drawn + 2] += moved
    return float(repeats[n - k :].sum())


@pytest.mark.slow
def test_the_ends_of_a_large_interval_are_exact_and_the_published_ones_where_they_are_asked_for() -> None:
    counts = (150_000, 15_000, 13_950)
    score = solve_irs(*counts)
    assert score.n_upper == 107_224
    assert occupied_at_most(*counts[1:], score.n_upper) > 0.05 > occupied_at_most(*counts[1:], score.n_upper + 1)
    assert solve_irs(*counts, least_term=1e-6).n_upper == 107_223


def test_probabilities_are_a_distribution() -> None:
    for n, s in [(7, 4), (30, 50), (200, 90)]:
        total = sum(np.exp(log_probability(n, k, s)) for k in range(1, n + 1))
        assert total == pytest.approx(1.0, abs=1e-9)


def test_logarithms_of_stirling_numbers() -> None:
    for n in (1, 2, 3, 10, 60):
        row = stirling2(n)
        for k in range(1, n + 1):
            assert log_stirling2_row(n)[k] == pytest.approx(log(row[k]), abs=1e-9)
            assert float(log_stirling2(n, k)) == pytest.approx(log(row[k]), abs=0.05)


def test_approximation_is_smooth_near_its_ends() -> None:
    n = 3000
    k = np.arange(1, n + 1)
    approximate = log_stirling2(n, k)
    assert np.isfinite(approximate).all()
    exact = log_stirling2_row(n)[k]
    assert np.abs(approximate - exact).max() < 0.1


def test_large_counts_end_and_are_ordered() -> None:
    n = EXACT_UP_TO + 1000
    for k in (1, 2, n // 2, n - 1, n):
        score = solve_irs(20_000, n, k)
        assert k <= score.n_lower <= score.n_learned <= score.n_upper <= 20_000


def test_interval_covers_the_number_of_reachable_images() -> None:
    rng = np.random.default_rng(0)
    n_train, reachable, n = 500, 180, 300
    covered = 0
    for _ in range(200):
        score = solve_irs(n_train, n, np.unique(rng.integers(0, reachable, n)).size)
        covered += score.n_lower <= reachable <= score.n_upper
    assert covered / 200 >= 0.85


def test_reported_count_may_be_one_short_of_the_true_one() -> None:
    scores = [RetrievalScore(600, 400, 1, learned, 1, 600) for learned in range(1, 601)]
    short = [score.n_learned - score.k_pred_inf for score in scores]
    assert set(short) == {0, 1}
    odd = scores[short.index(1)]
    assert irs_adjusted(odd, odd, as_reported=False) == 1.0


def test_copies_of_train_hit_themselves() -> None:
    rng = np.random.default_rng(1)
    train = rng.normal(size=(60, 5))
    assert irs(train, train[:30]).k_measured == 30
    assert irs(train, np.repeat(train[:2], 10, axis=0)).k_measured == 2


@pytest.mark.parametrize("counts", [(5, 5, 0), (5, 3, 4), (3, 5, 4)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        solve_irs(*counts)
