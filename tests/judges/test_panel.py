"""Several matchers rule one after the other: each is asked about what is left, and none is silently left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from unpersonal.core.errors import InputError
from unpersonal.judges.panel import NOBODY, Enrolled, Ruling, check_names, checked, enrol_all, rule
from unpersonal.matching.base import Scores

QUERIES = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 1, 4, 4), np.uint8)


@dataclass
class Scripted:
    """Says what it was told to, query by query, and remembers what it was asked; its gallery row is `row`."""

    scores: tuple[float, ...]
    row: int = 0
    asked: list[list[int]] = field(default_factory=list)

    def enrol(self, images: np.ndarray, subjects: np.ndarray) -> int:
        images[:] = 0
        return len(images)

    def score(self, queries: np.ndarray, gallery: Any, own: np.ndarray | None = None) -> Scores:
        which = queries[:, 0, 0, 0].astype(int)
        self.asked.append(which.tolist())
        queries[:] = 255
        return Scores(np.array(self.scores, np.float32)[which], np.full(len(queries), self.row))


def panel(*matchers: Scripted) -> list[Enrolled]:
    return [Enrolled(f"matcher {number}", matcher, None) for number, matcher in enumerate(matchers)]


def levels(count: int, value: float = 1.0) -> dict[str, float]:
    return {f"matcher {number}": value for number in range(count)}


def test_a_matcher_is_asked_about_what_those_before_it_do_not_flag():
    matchers = Scripted((0, 5, 0, 0, 0), 7), Scripted((0, 5, 5, 0, 0), 8), Scripted((0, 5, 5, np.nan, 0), 9)
    found = rule(panel(*matchers), levels(3), QUERIES)
    assert [matcher.asked for matcher in matchers] == [[[0, 1, 2, 3, 4]], [[0, 2, 3, 4]], [[0, 3, 4]]]
    assert found.by.tolist() == [NOBODY, 0, 1, 2, NOBODY] and found.nearest.tolist() == [7, 7, 8, 9, 7]
    assert found.score.tolist() == [0, 5, 0, 0, 0] and found.flagged.tolist() == [False, True, True, True, False]
    assert QUERIES.max() == 4


def test_whether_a_query_is_flagged_does_not_depend_on_the_order_of_the_matchers():
    rng = np.random.default_rng(0)
    scores = [tuple(rng.normal(size=5)) for _ in range(3)]
    expected = (np.array(scores) >= 1).any(axis=0)
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        ruled = rule(panel(*(Scripted(scores[number]) for number in order)), levels(3), QUERIES)
        assert ruled.flagged.tolist() == expected.tolist()


def test_a_matcher_without_a_threshold_flags_everything():
    assert rule(panel(Scripted((0,) * 5), Scripted((0,) * 5)), levels(1), QUERIES).flagged.all()
    assert rule(panel(Scripted((0,) * 5)), {}, QUERIES).flagged.all()


@pytest.mark.parametrize("position", [0, 1])
def test_a_mistake_ends_it_by_the_name_of_the_matcher(position):
    matchers = [Scripted((0,) * 5), Scripted((0,) * 5)]
    matchers[position].scores = (0.0,)
    with pytest.raises(InputError, match=f"matcher {position}"):
        rule(panel(*matchers), levels(2), QUERIES)


def test_as_many_scores_as_queries_or_none():
    with pytest.raises(ValueError, match="of 3 queries"):
        checked(Scores(np.zeros(2), np.zeros(2)), 3)
    with pytest.raises(ValueError, match="of 2 queries"):
        checked(Scores(np.zeros(2), np.zeros(3)), 2)
    assert checked(Scores(np.zeros(2), np.zeros(2)), 2).score.dtype == np.float32


def test_no_matcher_changes_the_pictures_that_the_others_enrol():
    images = QUERIES.copy()
    found = enrol_all(Scripted((0,)), {"other": Scripted((0,))}, images, np.array(list("abcde")))
    assert [enrolled.name for enrolled in found] == ["re-identifier", "other"]
    np.testing.assert_array_equal(images, QUERIES)


def test_likeness_is_the_mean_rank_of_the_clean_queries_by_every_matcher():
    scores = np.array([[0.1, 0.9, 0.5, 0.3], [7.0, 1.0, np.nan, 9.0]], np.float32)
    ruling = Ruling(scores[0], np.zeros(4, int), np.array([NOBODY, NOBODY, 1, NOBODY]), scores)
    # ranks among the three clean ones: 1, 3, 2 and 2, 1, 3
    np.testing.assert_allclose(ruling.likeness(), [0.5, 2 / 3, np.nan, 5 / 6])


def test_a_clean_query_that_a_matcher_was_not_asked_about_has_no_likeness():
    scores = np.array([[0.1, 0.9], [np.nan, 1.0]], np.float32)
    assert np.isnan(Ruling(scores[0], np.zeros(2, int), np.full(2, NOBODY), scores).likeness()).all()
    assert np.isnan(Ruling(scores[0], np.zeros(2, int), np.full(2, NOBODY)).likeness()).all()


@pytest.mark.parametrize("names", [["re-identifier"], ["poses", "re-identifier"]])
def test_no_matcher_takes_the_place_of_the_learned_one(names: list[str]):
    images, subjects = np.zeros((2, 1, 4, 4), np.uint8), np.array(["a", "b"])
    with pytest.raises(InputError, match="cannot be called 're-identifier'"):
        enrol_all(Scripted((9.0,) * 5), {name: Scripted((0.0,) * 5) for name in names}, images, subjects)
    with pytest.raises(InputError, match="cannot be called 're-identifier'"):
        check_names(names)
    check_names(["poses"])


class Hurried(Scripted):
    """In haste it answers by another list of scores, and remembers what was enough."""

    def __init__(self, scores: tuple[float, ...], hasty: tuple[float, ...]) -> None:
        super().__init__(scores)
        self.hasty, self.enough = hasty, list[float]()

    def score_until(self, queries: np.ndarray, gallery: Any, enough: float) -> Scores:
        self.enough.append(enough)
        return Scripted(self.hasty, self.row, self.asked).score(queries, gallery)


def test_in_haste_a_matcher_is_told_its_own_threshold_and_flags_as_otherwise():
    first, second = Hurried((0,) * 5, (0, 2, 0, np.nan, np.inf)), Hurried((0,) * 5, (0, 0, 3.5, 0, 0))
    thresholds = {"matcher 0": 2.0, "matcher 1": 3.0}
    found = rule(panel(first, second), thresholds, QUERIES)
    assert (first.enough, second.enough) == ([2.0], [3.0])
    assert found.by.tolist() == [NOBODY, 0, 1, 0, 0] and second.asked == [[0, 2]] and QUERIES.max() == 4
    assert found.scores is not None and found.scores[1, 0] == 0 and np.isnan(found.scores[1, 1])


@pytest.mark.parametrize("level", [np.nan, np.inf, -np.inf, None])
@pytest.mark.parametrize("position", [0, 1])
def test_without_a_threshold_that_is_a_number_nobody_hurries_and_everything_is_flagged(level, position):
    matchers = [Hurried((0,) * 5, (0,) * 5) for _ in range(2)]
    thresholds = levels(2) | {f"matcher {position}": level}
    if level is None:
        del thresholds[f"matcher {position}"]
    assert rule(panel(*matchers), thresholds, QUERIES).flagged.all()
    assert not matchers[position].enough and matchers[position].asked


class Short(Hurried):
    """In haste it loses the last query."""

    def score_until(self, queries: np.ndarray, gallery: Any, enough: float) -> Scores:
        found = super().score_until(queries, gallery, enough)
        return Scores(found.score[:-1], found.nearest[:-1])


def test_too_few_scores_in_haste_end_it_as_well():
    with pytest.raises(InputError, match=r"matcher 1.*of 5 queries"):
        rule(panel(Scripted((0,) * 5), Short((0,) * 5, (0,) * 5)), levels(2), QUERIES)
