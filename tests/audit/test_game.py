"""The game against brute force, closed forms and exhaustive permutation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from unpersonal.audit.distances import (
    Hits,
    sorted_hits,
)
from unpersonal.audit.game import (
    base_rate,
    count_isolations,
    deal_roles,
    isolating_predicates,
    permuted_codes,
    play,
    smallest_trials,
)


def random_hits(rng: np.random.Generator, predicates: int, subjects: int, rate: float) -> Hits:
    predicate, subject = np.nonzero(rng.random((predicates, subjects)) < rate)
    return sorted_hits(predicate, subject, predicates)


def brute_force(hits: Hits, code: np.ndarray, blocks: int) -> tuple[int, int]:
    satisfied = np.zeros((hits.predicates, len(code)), dtype=bool)
    satisfied[hits.predicate, hits.subject] = True
    role, pad = code >> 1, (code & 1).astype(bool)
    train = control = 0
    for row in satisfied:
        for block in range(blocks):
            members = (role == block) | (pad if block == blocks - 1 else np.zeros_like(pad))
            inside = np.flatnonzero(row & members)
            train += len(inside) == 1 and role[inside[0]] == block
        control += int((row & (role == blocks)).sum()) == 1
    return train, control


@pytest.mark.parametrize(("train", "control"), [(10, 10), (25, 10), (31, 7)])
def test_isolations_equal_brute_force(train: int, control: int) -> None:
    rng = np.random.default_rng(train)
    roles = deal_roles(rng.permutation(np.arange(train + control) < train), rng)
    codes = permuted_codes(roles, np.zeros(train + control), 40, rng)
    hits = random_hits(rng, 30, train + control, 0.06)
    found = count_isolations(hits, codes, roles.blocks)
    expected = [brute_force(hits, code, roles.blocks) for code in codes]
    assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == expected
    observed = (2 * roles.role + roles.pad).astype(np.int16)
    per_subject = isolating_predicates(hits, roles)
    assert per_subject[roles.train].sum() == brute_force(hits, observed, roles.blocks)[0]
    assert per_subject[~roles.train].sum() == brute_force(hits, observed, roles.blocks)[1]


@pytest.mark.parametrize(("train", "control"), [(10, 10), (23, 10), (100, 9), (11, 10)])
def test_blocks_cover_every_train_subject_once_and_have_the_size_of_control(train: int, control: int) -> None:
    rng = np.random.default_rng(0)
    members = np.arange(train + control) < train
    roles = deal_roles(members, rng)
    assert (roles.train == members).all()
    sizes = [int((roles.role == b).sum()) for b in range(roles.blocks)]
    assert sum(sizes) == train and all(size == control for size in sizes[:-1])
    assert sizes[-1] + int(roles.pad.sum()) == control
    assert not (roles.pad & (roles.role == roles.blocks - 1)).any() and not (roles.pad & ~members).any()


def test_permutation_keeps_strata_and_roles() -> None:
    rng = np.random.default_rng(3)
    roles = deal_roles(np.arange(50) < 33, rng)
    strata = rng.integers(0, 4, 50)
    code = 2 * roles.role + roles.pad
    for row in permuted_codes(roles, strata, 50, rng):
        for stratum in range(4):
            assert sorted(row[strata == stratum]) == sorted(code[strata == stratum])


def test_permutation_distribution_equals_the_exhaustive_one() -> None:
    rng = np.random.default_rng(5)
    members = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    hits = random_hits(rng, 12, 8, 0.25)
    roles = deal_roles(members, rng)
    exact = []
    for chosen in itertools.combinations(range(8), 4):
        code = np.full(8, 2, dtype=np.int16)
        code[list(chosen)] = 0
        train, control = brute_force(hits, code, 1)
        exact.append((train - control) / 12)
    null = play(hits, roles, permuted_codes(roles, np.zeros(8), 40_000, rng)).null
    for value in set(exact):
        assert np.mean(np.isclose(null, value)) == pytest.approx(np.mean(np.isclose(exact, value)), abs=0.012)


@pytest.mark.parametrize(("n", "weight"), [(20, 0.05), (100, 0.001), (450, 1 / 45_000), (50, 0.02)])
def test_base_rate_is_that_of_strangers(n: int, weight: float) -> None:
    hits = np.random.default_rng(n).binomial(n, weight, size=400_000)
    rate = np.mean(hits == 1)
    assert base_rate(n, weight) == pytest.approx(rate, abs=4 * np.sqrt(rate / 400_000) + 1e-9)


def test_weight_one_over_n_could_not_tell_copies_from_strangers() -> None:
    n = 450
    assert (1 - 1 / n) ** (n - 1) == pytest.approx(base_rate(n, 1 / n), rel=1e-9)
    assert base_rate(n, 1 / (100 * n)) < 0.01 < 0.98 < (1 - 1 / (100 * n)) ** (n - 1)


def test_fewest_people_with_whom_nothing_seen_stays_within_a_margin() -> None:
    fewest = smallest_trials(0.05, 0.975)
    assert 1 - 0.025 ** (1 / fewest) <= 0.05 < 1 - 0.025 ** (1 / (fewest - 1))
