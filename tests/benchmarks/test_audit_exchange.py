"""Deals of a small cohort, and p-values of releases that leak nothing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import audit_exchange
from benchmarks.audit_bench import Pool
from benchmarks.audit_exchange import Deal, row


@pytest.fixture(scope="module")
def dealt() -> tuple[Pool, Deal]:
    pool = Pool.phantom(120, seed=3, size=32)
    # phantoms take turns through the labels: splits in turn would not share any
    turns = np.random.default_rng(0).permutation(np.resize(["train", "test", "aux", "val"], 120))
    split = dict(zip(pool.people, turns, strict=True))
    return pool, Deal.of(pool, np.array([split[name] for name in pool.subjects]))


def test_aux_people_stay_and_all_others_are_dealt_by_person(dealt: tuple[Pool, Deal]) -> None:
    pool, own = dealt
    aux = set(pool.subjects[np.concatenate([own.rows["network"], own.rows["certify"]])])
    first, second = own.anew(pool, 0), own.anew(pool, 1)
    for deal in (first, second):
        people = [set(pool.subjects[deal.rows[name]]) for name in ("train", "val", "test")]
        assert sum(map(len, people)) == len(set.union(*people)) and not set.union(*people) & aux
        assert deal.points is own.points and np.array_equal(deal.rows["network"], own.rows["network"])
    assert set(first.rows["train"]) != set(second.rows["train"])


def test_a_release_of_train_people_is_seen_and_one_of_val_people_is_not(
    dealt: tuple[Pool, Deal], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, own = dealt
    monkeypatch.setattr(audit_exchange, "RELEASED", 35)
    nearer, farther = own.p_values(pool, np.random.default_rng(0))
    assert nearer > 0.01 and farther > 0.01 and nearer + farther > 0.9
    leak = Deal(own.points, {**own.rows, "val": own.rows["train"]})
    assert leak.p_values(pool, np.random.default_rng(0))[0] <= 0.01


def test_a_row_counts_up_to_each_level() -> None:
    assert row("x", np.array([0.01, 0.02, 0.05, 0.5])).startswith("| x | 4 | 25.0%")
