from __future__ import annotations

import numpy as np
import pytest

from benchmarks.selection import EVERY, RANKED, Judged, Pool, agreement_of


@pytest.fixture
def pool() -> Pool:
    draws = np.repeat(np.arange(50), 4)
    rng = np.random.default_rng(0)
    flagged = rng.random(200) < 0.3
    flagged[4:8] = True  # one draw has nothing clean
    return Pool(
        images=rng.integers(0, 256, (200, 1, 4, 4), dtype=np.uint8),
        draw=draws,
        source=draws * 3,
        flagged=flagged,
        distance=rng.random(200),
        likeness=np.where(flagged, np.nan, rng.random(200)),
    )


def test_every_way_takes_clean_candidates_only(pool: Pool) -> None:
    ways = {way: pool.chosen(way, 0) for way in (RANKED, "least-like", "first", "random", EVERY)}
    for way, rows in ways.items():
        assert not pool.flagged[rows].any() and (np.diff(rows) > 0).all(), way
    assert len(ways[EVERY]) == (~pool.flagged).sum()
    for way in (RANKED, "least-like", "first", "random"):
        rows = ways[way]
        assert np.array_equal(pool.draw[rows], np.unique(pool.draw[~pool.flagged])), way
    assert pool.distance[ways[RANKED]].mean() < pool.distance[ways["random"]].mean()
    assert pool.likeness[ways["least-like"]].mean() < pool.likeness[ways["random"]].mean()
    clean = np.flatnonzero(~pool.flagged)
    assert all(clean[pool.draw[clean] == pool.draw[row]][0] == row for row in ways["first"])
    assert not np.array_equal(ways["random"], ways["first"])


def test_agreement_counts_the_likeliest_label_or_every_label() -> None:
    one = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    members = [np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]]), np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1]])]
    assert agreement_of(members, one).tolist() == [1.0, 0.5]
    several = np.array([[1, 1, 0], [0, 0, 0]], dtype=np.float32)
    assert agreement_of(members[:1], several) == pytest.approx([2 / 3 * 0 + 2 / 3, 2 / 3])


def test_intervals_are_over_people(pool: Pool) -> None:
    rng = np.random.default_rng(1)
    # four images of each person that are all alike: 50 values, not 200
    agreement = np.repeat(rng.random(50) < 0.5, 4).astype(float)
    judged = Judged(agreement, np.repeat(rng.standard_normal((50, 3)), 4, axis=0))
    found = judged.over_subjects(np.arange(200), pool.draw.astype(str), 0)
    value, low, high = found["agreement"]
    assert value == agreement.mean()
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(50), rel=0.25)
    assert found["spread"][1] < found["spread"][0] < found["spread"][2]
