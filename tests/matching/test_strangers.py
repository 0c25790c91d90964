"""Scores in spreads of strangers."""

from __future__ import annotations

import numpy as np

from unpersonal.matching.strangers import LEAST_SPREAD, MOST, Own, Scale, barred, best_look, pick_strangers


def test_one_stranger_in_twenty_is_above_1():
    scores = np.random.default_rng(0).gumbel(size=(4000, 2)) * (1, 7) + (3, -2)
    assert np.allclose((Scale.of(scores).apply(scores) > 1).mean(axis=0), 0.05, atol=0.003)


def test_without_strangers_and_without_spread_nothing_is_divided_by_zero():
    raw = np.array([[0.2, 0.4]])
    assert np.allclose(Scale.of(np.empty((0, 2))).apply(raw), raw)
    assert np.isfinite(Scale.of(np.ones((9, 2))).apply(raw)).all()


def test_a_scale_is_kept_as_it_is():
    scale = Scale.of(np.random.default_rng(1).normal(size=(50, 3)))
    again = Scale.from_tensors(scale.to_tensors())
    assert np.array_equal(again.median, scale.median) and np.array_equal(again.spread, scale.spread)


def test_a_raw_score_that_is_enough_is_never_below_the_limit_for_all_its_rounding():
    """Correlations, spreads down to the least there is, and limits that a look can reach: else a copy would pass."""
    rng, count = np.random.default_rng(2), 50_000
    median = rng.uniform(0, 1, count).astype(np.float32)
    spread = np.exp(rng.uniform(np.log(LEAST_SPREAD), 0, count)).astype(np.float32)
    for limit in (-3.0, 0.0, 1.0, 2.7182817, 12.345678, 999.0):
        scale = Scale(median, spread)
        enough = scale.undo(limit)
        for raw in (enough, np.nextafter(enough, np.float32(np.inf))):
            found = scale.apply(raw)
            assert (found >= np.float32(limit)).all() and (found <= limit + 3e-4 * max(abs(limit), 1)).all()


def test_strangers_are_one_image_a_subject_and_others_are_everybody_else():
    subjects = np.array([f"s{number // 3}" for number in range(3 * MOST + 300)])
    rows = pick_strangers(subjects)
    assert len(rows) == MOST == len(set(subjects[rows])) and (np.diff(rows) > 0).all()
    assert barred(Own.of(None, subjects), slice(0, 5)) is None
    left_out = barred(Own.of(subjects[rows[:5]], subjects), slice(0, 5)).numpy()
    assert (left_out.sum(axis=1) == 3).all() and left_out[np.arange(5), rows[:5]].all()
    assert len(pick_strangers(np.array(["a", "a"]))) == 0, "nobody is a stranger to himself"


def test_the_look_that_strangers_reach_most_seldom_decides_and_what_cannot_be_told_is_told():
    raw, rows = np.array([[1.0, 5.0], [1.0, np.nan]], np.float32), np.array([[3, 4], [5, 6]])
    how = np.array([["a", "b"], ["c", "d"]], object)
    found = best_look(raw, rows, Scale(np.zeros(2, np.float32), np.array([0.1, 1.0], np.float32)), how)
    assert found.score[0] == 10 and found.nearest[0] == 3 and found.how[0] == "a"
    assert np.isnan(found.score[1]) and found.nearest[1] == 6 and found.how[1] == "d"
