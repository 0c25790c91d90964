"""One clean candidate of a draw is selected in the way that was asked for, and never a flagged one."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.core.seeds import numpy_rng
from unpersonal.synthesis.rank import RANKS, choose, label_distances


def cases():
    rng = np.random.default_rng(0)
    for _ in range(100):
        draws, flagged = rng.integers(0, 4, 20), rng.random(20) < 0.6
        yield draws, flagged, np.where(flagged, 0.0, rng.random(20))


def rng_of(draw):
    return numpy_rng(3, draw)


@pytest.mark.parametrize("name", RANKS)
def test_a_flagged_candidate_never_wins_however_well_it_ranks(name):
    for draws, flagged, distances in cases():
        chosen = choose(draws, flagged, distances, RANKS[name], rng_of)
        assert set(chosen) == set(draws[~flagged])
        for draw, index in chosen.items():
            clean = [i for i in range(20) if draws[i] == draw and not flagged[i]]
            assert index in clean
            if name == "probabilities":
                assert index == min(clean, key=lambda i: (distances[i], i))
            if name == "first":
                assert index == clean[0]


def test_any_clean_candidate_is_as_likely_as_another():
    flagged, rank = np.array([0, 1, 0, 0], bool), RANKS["random"]
    chosen = [choose(np.full(4, draw), flagged, np.ones(4), rank, rng_of)[draw] for draw in range(900)]
    assert sorted(set(chosen)) == [0, 2, 3] and np.bincount(chosen)[[0, 2, 3]].min() > 250


def test_a_distance_that_is_no_number_is_never_chosen():
    assert choose(np.zeros(2, int), np.zeros(2, bool), np.array([np.nan, 2.0]), RANKS["first"], rng_of) == {0: 1}


def test_label_distances_are_those_of_the_paper():
    found = label_distances(np.array([[0.2, 0.8], [1.0, 0.0]]), np.array([[0.5, 0.5], [0.9, 0.3]]))
    np.testing.assert_allclose(found, [0.6, 0.4])
