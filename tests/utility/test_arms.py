"""Who is held out of an arm."""

from __future__ import annotations

import numpy as np

from unpersonal.utility.arms import hold_out


def test_hold_out_takes_its_share_of_every_label_and_is_seeded() -> None:
    targets = np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2], [100, 30, 1])]
    kept, held = hold_out(targets, 0.1, np.random.default_rng(0))
    assert sorted([*kept, *held]) == list(range(131))
    assert targets[held].sum(axis=0).tolist() == [10.0, 3.0, 0.0]
    again = hold_out(targets, 0.1, np.random.default_rng(0))[1]
    assert np.array_equal(held, again) and not np.array_equal(held, hold_out(targets, 0.1, np.random.default_rng(1))[1])


def test_people_are_held_out_whole() -> None:
    people = np.repeat([f"p{number}" for number in range(60)], 3)
    targets = np.eye(2, dtype=np.float32)[np.repeat(np.arange(60) % 2, 3)]
    kept, held = hold_out(targets, 0.2, np.random.default_rng(3), people)
    assert not set(people[kept]) & set(people[held]) and len(set(people[held])) == 12
    assert targets[held].sum(axis=0).tolist() == [18.0, 18.0]
    shuffled = np.random.default_rng(5).permutation(len(people))
    other = hold_out(targets[shuffled], 0.2, np.random.default_rng(3), people[shuffled])[1]
    assert set(people[shuffled][other]) == set(people[held])
