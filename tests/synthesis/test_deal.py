"""Sources in turn, partners of other subjects, nobody beyond the limit."""

from __future__ import annotations

from collections import Counter

import numpy as np

from unpersonal.synthesis.deal import Room, deal_partners, deal_sources, within_share


def test_sources_are_used_evenly_as_far_as_their_subjects_have_room():
    owners = np.array([0] * 6 + [1, 2, 3, 4])
    free = Counter(deal_sources(range(10), 37, Room(owners, 100)))
    assert sum(free.values()) == 37 and max(free.values()) - min(free.values()) <= 1
    tight = Counter(deal_sources(range(10), 37, Room(owners, 9)))
    shares = [sum(tight[row] for row in range(6)), *(tight[row] for row in range(6, 10))]
    assert shares[0] == 9 and sum(shares) == 37 and max(shares[1:]) - min(shares[1:]) <= 1
    assert len(deal_sources(range(10), 100, Room(owners, 9))) == 45


def test_partners_are_other_subjects_and_take_room():
    owners = np.repeat(np.arange(8), 3)
    room = Room(owners, 60)
    sources = deal_sources(range(24), 96, room)
    partners = deal_partners(sources, range(24), 3, room, np.random.default_rng(0))
    used: Counter[int] = Counter()
    for source, rows in zip(sources, partners):
        if rows is not None:
            people = owners[[source, *rows]].tolist()
            assert len(set(people)) == 4
            used.update(people[1:])
    used.update(owners[sources].tolist())
    assert max(used.values()) <= 60 and sum(rows is not None for rows in partners) > 90


def test_draws_are_left_out_until_nobody_is_in_too_many():
    rng = np.random.default_rng(0)
    for share in (0.05, 0.2, 0.5, 1.0):
        people = np.array([rng.choice(40, 2, replace=False, p=np.r_[0.5, np.full(39, 0.5 / 39)]) for _ in range(200)])
        kept = within_share(people, share)
        counts = np.bincount(people[kept].reshape(-1))
        assert counts.max() <= max(1, share * len(kept))
        assert share < 1 or len(kept) == 200
        innocent = (people != 0).all(axis=1)
        assert share < 0.2 or innocent[kept].sum() == innocent.sum()
