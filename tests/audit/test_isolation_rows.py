"""People isolated at least once, and the attacker's surest predicates: against brute force and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from unpersonal.audit.attack import Predicates
from unpersonal.audit.distances import sorted_hits
from unpersonal.audit.game import Roles, deal_roles, isolations
from unpersonal.audit.isolation_rows import isolation_rows
from unpersonal.metrics.intervals import clopper_pearson_upper

CONFIDENCE = 0.975


def roles_of(train: int, control: int) -> Roles:
    return deal_roles(np.arange(train + control) < train, np.random.default_rng(0))


def family(predicate: np.ndarray, subject: np.ndarray, count: int, confidence: np.ndarray | None = None) -> Predicates:
    surest = -np.arange(count, dtype=float) if confidence is None else confidence
    return Predicates(sorted_hits(predicate, subject, count), surest, 1e-5)


def test_who_is_isolated_is_found_as_by_hand() -> None:
    roles = roles_of(70, 30)
    rng = np.random.default_rng(1)
    predicate, subject = np.unique(rng.integers(0, [60, 100], (150, 2)), axis=0).T
    hits = sorted_hits(predicate, subject, 60)
    wanted = set()
    for number in range(60):
        met = subject[predicate == number]
        for block in range(roles.blocks + 1):
            own = [s for s in met if roles.role[s] == block]
            pads = [s for s in met if block == roles.blocks - 1 and roles.pad[s] and roles.role[s] != block]
            if len(own) == 1 and not pads:
                wanted.add((number, own[0]))
    assert set(zip(*isolations(hits, roles), strict=True)) == wanted and wanted


def test_control_hits_never_improve_the_bound_and_none_is_below_zero() -> None:
    """12 train hits and 10 control hits gave a bound of 0.004 once."""
    roles = roles_of(1000, 1000)
    train, control = np.arange(12), 1000 + np.arange(10)
    alone = isolation_rows([family(train, train, 1000)], ["a"], roles, CONFIDENCE, 1)[0]
    subject = np.concatenate([train, control])
    both = isolation_rows([family(np.arange(22), subject, 1000)], ["a"], roles, CONFIDENCE, 1)[0]
    assert both.isolated_upper == alone.isolated_upper == pytest.approx(clopper_pearson_upper(12, 1000, CONFIDENCE))
    assert both.isolated == 0.012 and both.isolated_control == 0.01 and both.excess_lower < alone.excess_lower


@pytest.mark.parametrize(("people", "times"), [(1, 60), (50, 120)])
def test_the_bound_covers_where_one_person_is_copied_many_times(people: int, times: int) -> None:
    """The unit is the person: however many images show one, the share of people keeps its coverage."""
    roles, share, missed = roles_of(200, 200), people / 200, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        copied = np.flatnonzero(rng.random(200) < share)
        subject = np.repeat(copied, times)
        row = isolation_rows(
            [family(np.arange(len(subject)), subject, max(len(subject), 1))], ["a"], roles, CONFIDENCE, 1
        )[0]
        missed += row.isolated_upper < share
    assert missed <= binom.ppf(0.999, 200, 0.025)


def test_the_surest_predicates_are_counted_first() -> None:
    roles = roles_of(100, 100)
    train = np.arange(5)
    surest = np.zeros(60)
    surest[train] = 1.0
    row = isolation_rows([family(train, train, 60, surest)], ["a"], roles, CONFIDENCE, 1)[0]
    assert [(top.predicates, top.success) for top in row.top] == [(1, 1.0), (5, 1.0), (10, 0.5), (50, 0.1)]
    assert row.top[1].success_lower > 0.2 > row.top[0].success_lower
    fewer = isolation_rows([family(train, train, 20, surest[:20])], ["a"], roles, CONFIDENCE, 1)[0]
    assert [top.predicates for top in fewer.top] == [1, 5, 10]
    # the first five are views of one picture, which counts once
    pictures = np.concatenate([np.zeros(5, np.int64), np.arange(1, 56)])
    once = isolation_rows([family(train, train, 60, surest)], ["a"], roles, CONFIDENCE, 1, pictures)[0]
    assert [(top.predicates, top.success) for top in once.top] == [(1, 1.0), (5, 0.2), (10, 0.1), (50, 0.02)]


def test_more_families_make_lower_bounds_stricter_and_upper_bounds_the_same() -> None:
    roles = roles_of(100, 100)
    one = family(np.arange(30), np.arange(30), 60)
    alone = isolation_rows([one], ["a"], roles, CONFIDENCE, 1)[0]
    among = isolation_rows([one] * 5, list("abcde"), roles, CONFIDENCE, 5)[0]
    assert among.isolated_upper == alone.isolated_upper and among.excess_lower < alone.excess_lower
    theirs = isolation_rows([one] * 5, list("abcde"), roles, CONFIDENCE, 1)
    assert theirs[0].excess_lower == alone.excess_lower and theirs[4].excess_lower == among.excess_lower
