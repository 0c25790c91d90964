"""Thresholds of a gallery's own strangers: no more refused than was asked, and said where few people cannot do it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.core.errors import InputError
from unpersonal.layouts.pictures import Pictures
from unpersonal.match_gallery import MOST_STRANGERS, choose_thresholds, folder_gallery, one_picture_each
from unpersonal.matching.base import flags
from unpersonal.phantom import phantom_cohort


def refused(scores: dict[str, np.ndarray], levels: dict[str, float]) -> np.ndarray:
    return np.logical_or.reduce([flags(scores[name], level) for name, level in levels.items()])


def test_the_share_that_is_refused_is_the_largest_that_was_allowed():
    rng = np.random.default_rng(3)
    scores = {name: rng.normal(size=400).astype(np.float32) for name in "abc"}
    levels, count = choose_thresholds(scores, 0.05)
    assert 15 <= count <= 20
    # a stranger in the list is not above itself: one a matcher less than is counted
    assert count - 3 <= refused(scores, levels).sum() <= count
    assert all((scores[name] > levels[name]).sum() == (scores["a"] > levels["a"]).sum() for name in "abc")


def test_fresh_strangers_are_refused_at_the_rate_that_is_told():
    rng = np.random.default_rng(4)
    asked, told, found = 0.1, [], []
    for _ in range(200):
        shared = rng.normal(size=300)
        # matchers agree in part
        drawn = {name: (shared + rng.normal(size=300)).astype(np.float32) for name in "abc"}
        levels, count = choose_thresholds({name: values[:150] for name, values in drawn.items()}, asked)
        told.append(count / 150)
        found.append(refused({name: values[150:] for name, values in drawn.items()}, levels).mean())
    assert np.mean(found) == pytest.approx(np.mean(told), abs=0.01) and max(told) <= asked


def test_few_people_allow_only_what_is_above_all_of_them():
    scores = {"a": np.arange(24, dtype=np.float32), "b": np.arange(24, dtype=np.float32)[::-1]}
    levels, count = choose_thresholds(scores, 0.05)
    assert count == 2 and not refused(scores, levels).any()
    assert refused({name: np.array([23.001], np.float32) for name in "ab"}, levels).all()


def test_a_score_that_is_none_makes_a_matcher_refuse_everything():
    levels, _ = choose_thresholds({"a": np.array([np.nan, *range(30)], np.float32)}, 0.01)
    assert flags(np.array([-5.0], np.float32), levels["a"]).all()


def test_one_picture_is_taken_of_each_person():
    subjects = np.array(["a", "b", "a", "c", "b"], dtype=object)
    rows = one_picture_each(subjects)
    assert sorted(subjects[rows]) == ["a", "b", "c"] and rows.tolist() == sorted(rows)
    many = one_picture_each(np.arange(MOST_STRANGERS + 50).astype(object))
    assert len(many) == len(set(many)) == MOST_STRANGERS


def pictures(images: np.ndarray, subjects: np.ndarray) -> Pictures:
    names = tuple(f"{row}.png" for row in range(len(images)))
    return Pictures(names, subjects.astype(object), images, np.arange(len(images)), (), 0, ())


def test_one_person_under_two_names_sets_no_threshold():
    images, subjects, _ = phantom_cohort(30, 5, 32)
    rows = one_picture_each(np.array(subjects))
    images, names = images[rows], np.array([f"person {row}" for row in rows])
    twice = np.concatenate([images, images[:2]]), np.concatenate([names, ["again 0", "again 1"]])
    found = folder_gallery(pictures(*twice), 0.05, torch.device("cpu"))
    assert {len(scores) for scores in found.strangers.values()} == {28}
    assert any("4 people have the same picture as somebody else" in note for note in found.notes)
    for enrolled in found.panel:
        assert flags(enrolled.score(images[:5]).score, found.thresholds[enrolled.name]).all(), enrolled.name


def test_a_gallery_of_few_is_refused():
    images, subjects, _ = phantom_cohort(10, 5, 32)
    with pytest.raises(InputError, match="10 people; 20 are needed"):
        folder_gallery(pictures(images, np.array(subjects)), 0.05, torch.device("cpu"))
    same = pictures(np.repeat(images[:1], 30, axis=0), np.arange(30).astype(str))
    with pytest.raises(InputError, match="also somebody else's; 20 are needed"):
        folder_gallery(same, 0.05, torch.device("cpu"))
