"""Rows of membership: max-T by its definition, what a plug-in cannot weaken, and false alarms over many scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binom

from unpersonal.audit.attack import SubjectScores
from unpersonal.audit.bounds import FALSE_POSITIVES, auroc_estimate, rate_at, tpr_estimate, z_of
from unpersonal.audit.game import Roles, deal_roles, permuted_codes
from unpersonal.audit.membership_rows import measure_membership, membership_figures
from unpersonal.metrics.roc import auroc


@dataclass(frozen=True)
class Game:
    """What `measure_membership` reads of a target."""

    train: np.ndarray
    roles: Roles
    codes: np.ndarray


def game(sides: tuple[int, int], permutations: int, seed: int = 0) -> Game:
    rng = np.random.default_rng(seed)
    roles = deal_roles(np.arange(sum(sides)) < sides[0], rng)
    return Game(roles.train, roles, permuted_codes(roles, np.zeros(sum(sides)), permutations, rng))


def rows_of(scores: np.ndarray, given: Game, own: int | None = None):
    names = [str(number) for number in range(len(scores))]
    measured = measure_membership([SubjectScores(each) for each in scores], names, given)
    return membership_figures(measured, len(measured) if own is None else own, 0.975).rows


def test_rows_are_those_of_the_definition() -> None:
    given = game((60, 45), 60)
    scores = np.random.default_rng(1).normal(size=(3, 105))
    scores[1] += given.train
    signed = [sign * each for each in scores for sign in (1.0, -1.0)]
    sides = [given.train, *((code >> 1) < given.roles.blocks for code in given.codes)]
    distance = np.array(
        [
            [[auroc(s, side) - 0.5, rate_at(s, side, FALSE_POSITIVES) - FALSE_POSITIVES] for side in sides]
            for s in signed
        ]
    )
    standard = distance / np.sqrt((distance[:, 1:] ** 2).mean(axis=1, keepdims=True))
    largest = standard[:, 1:].max(axis=(0, 2))
    rows = rows_of(scores, given)
    assert [row.name for row in rows] == ["0", "0_reversed", "1", "1_reversed", "2", "2_reversed"]
    critical = max(np.quantile(largest, 0.975, method="higher"), z_of(0.975))
    for row, one, values in zip(rows, standard, signed, strict=True):
        assert row.p == pytest.approx((1 + (largest >= one[0].max() - 1e-12).sum()) / 61)
        area, rate = auroc_estimate(values, given.train), tpr_estimate(values, given.train)
        assert (row.auroc, row.tpr) == pytest.approx((area.value, rate.value))
        assert (row.auroc_upper, row.tpr_upper) == pytest.approx((area.upper(z_of(0.975)), rate.upper(z_of(0.975))))
        told = [(1 + (largest >= value - 1e-12).sum()) / 61 <= 0.025 for value in one[0]]
        wanted = area.lower(critical), rate.lower(critical)
        told_of = [low if shown else min(low, at) for low, shown, at in zip(wanted, told, (0.5, 0.01), strict=True)]
        assert [row.auroc_lower, row.tpr_lower] == pytest.approx(told_of)
    assert min(rows, key=lambda row: row.p).name == "1"


def test_scores_of_others_change_none_of_ours() -> None:
    given = game((60, 45), 99)
    rng = np.random.default_rng(2)
    ours = rng.normal(size=(2, 105))
    alone, among = rows_of(ours, given), rows_of(np.concatenate([ours, rng.normal(size=(40, 105))]), given, own=4)
    assert among[:4] == alone
    assert among[5].auroc_lower < auroc_estimate(-ours[0], given.train).lower(0.0)


def test_among_few_people_nothing_is_called_a_leak_that_permutations_do_not_show() -> None:
    """Twenty a side: five train people above all control people were a lower bound of 5 % once."""
    above = 0
    for seed in range(60):
        given = game((20, 20), 199, seed)
        rows = rows_of(np.random.default_rng(seed).normal(size=(8, 40)), given)
        above += any(row.auroc_lower > 0.5 or row.tpr_lower > FALSE_POSITIVES for row in rows)
    assert above <= binom.ppf(0.999, 60, 0.05)


@pytest.mark.slow
def test_without_a_leak_lower_bounds_of_thirty_scores_rarely_exceed_chance() -> None:
    """The bounds hold together: the largest of them is above chance in at most 5 % of games (two figures, 2.5 %)."""
    runs, above = 120, 0
    for seed in range(runs):
        given = game((200, 150), 199, seed)
        rows = rows_of(np.random.default_rng(1000 + seed).normal(size=(15, 350)), given)
        above += any(row.auroc_lower > 0.5 or row.tpr_lower > FALSE_POSITIVES for row in rows)
    assert above <= binom.ppf(0.999, runs, 0.05)
