"""Scores of whom released images are named after: certain names stand out, people whom everybody is like do not."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.enrolled import Enrolled, Naming
from unpersonal.audit.membership_matches import match_scores, strongest, surprise
from unpersonal.metrics.roc import auroc


def strangers(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.sort(rng.exponential(size=count))[::-1]


def test_surprise_is_the_logarithm_of_the_strangers_share() -> None:
    rng = np.random.default_rng(0)
    scores = rng.exponential(size=4000)
    found = surprise(scores, strangers(rng, 4000))
    assert found == pytest.approx(scores, abs=0.35 + 0.1 * scores.max()) and found.mean() == pytest.approx(1, abs=0.1)
    far = surprise(np.array([5.0, 50.0, 500.0]), strangers(rng, 300))
    assert (np.diff(far) > 20).all()
    assert surprise(np.array([1.0, 2.0]), np.empty(0)).tolist() == [1.0, 1.0]


def naming(rng: np.random.Generator, popular: np.ndarray, copies: int) -> tuple[Enrolled, Naming]:
    """300 images, `copies` of the first subjects, the others named after the popular ones."""
    known = strangers(rng, 300)
    subject = rng.choice(len(popular), 300, p=popular)
    score = rng.exponential(size=300)
    subject[:copies], score[:copies] = np.arange(copies), 12.0
    named = rng.choice(len(popular), 300, p=popular)
    names = np.arange(len(popular)).astype(str)
    enrolled = Enrolled("one", None, None, np.arange(len(popular)), names, Naming(named, known, known))
    return enrolled, Naming(subject, score, known)


def test_copied_people_come_first_and_popular_ones_do_not() -> None:
    rng = np.random.default_rng(1)
    weight = np.r_[np.ones(150), np.full(50, 12.0)]
    enrolled, found = naming(rng, weight / weight.sum(), 20)
    scores = match_scores(enrolled, found, np.ones(200))
    assert (np.argsort(-scores)[:20] < 20).all()
    quiet = [match_scores(*naming(rng, weight / weight.sum(), 0), np.ones(200)) for _ in range(10)]
    assert abs(np.mean([auroc(each, np.arange(200) >= 150) for each in quiet]) - 0.5) < 0.22


def test_more_images_are_more_chances_to_be_named() -> None:
    rng = np.random.default_rng(2)
    images = np.repeat([1.0, 3.0], 400)
    several = [auroc(match_scores(*naming(rng, images / images.sum(), 0), images), images > 1) for _ in range(10)]
    assert abs(np.mean(several) - 0.5) < 0.15


def test_a_picture_of_several_views_is_named_once() -> None:
    views = Naming(np.array([4, 5, 6]), np.array([1.0, 3.0, 2.0]), np.array([0.5]))
    found = strongest(views, np.array([0, 0, 1]))
    assert found.subject.tolist() == [5, 6] and found.score.tolist() == [3.0, 2.0]
