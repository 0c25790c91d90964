"""Invented people, and how many copies of a kind a matcher recognises at one false flag in twenty."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from unpersonal.core.config import Config
from unpersonal.matching.base import MatcherPart
from unpersonal.matching.kinds import kind
from unpersonal.phantom import phantom_cohort

ENROLLED, STRANGERS = 150, 60
Recall = Callable[[MatcherPart, str, float], tuple[float, float]]


@pytest.fixture(scope="session")
def people() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images and subjects of the gallery, one image each of strangers, and hosts who are neither."""
    images, listed, _ = phantom_cohort(ENROLLED + 2 * STRANGERS, 5, 64)
    subjects = np.array(listed)
    names = np.unique(subjects)
    inside = np.isin(subjects, names[:ENROLLED])
    one = np.array([np.flatnonzero(subjects == name)[0] for name in names])
    strangers, hosts = one[ENROLLED : ENROLLED + STRANGERS], one[ENROLLED + STRANGERS :]
    return images[inside], subjects[inside], images[strangers], images[hosts]


@pytest.fixture(scope="session")
def recall(people) -> Recall:
    """`recall(part, kind, strength)`: share of 24 copies above 95 % of strangers, and with the right subject."""
    images, subjects, strangers, hosts = people
    fitted: dict[int, tuple[object, object, float]] = {}

    def measure(part: MatcherPart, name: str, strength: float) -> tuple[float, float]:
        if id(part) not in fitted:
            matcher = part.fit(images, subjects, Config(), seed=0, device=torch.device("cpu"))
            gallery = matcher.enrol(images, subjects)
            threshold = float(np.quantile(matcher.score(strangers, gallery).score, 0.95))
            fitted[id(part)] = matcher, gallery, threshold
        matcher, gallery, threshold = fitted[id(part)]
        chosen = np.random.default_rng(1).permutation(len(images))[:24]
        copies = kind(name).copies(images[chosen], hosts, strength, np.random.default_rng(2))
        found = matcher.score(copies, gallery)
        right = subjects[found.nearest] == subjects[chosen]
        return float((found.score > threshold).mean()), float(right.mean())

    return measure


@pytest.fixture
def keeps(people) -> Callable[[MatcherPart], None]:
    """Asserts that a matcher is the same after it was saved and loaded, and that an empty gallery is refused."""
    images, subjects, strangers, _ = people

    def check(part: MatcherPart) -> None:
        device = torch.device("cpu")
        matcher = part.fit(images[:40], subjects[:40], Config(), seed=0, device=device)
        again = part.load(part.save(matcher), Config(), device=device)
        before, after = (
            found.score(strangers[:5], found.enrol(images[:20], subjects[:20])) for found in (matcher, again)
        )
        assert np.array_equal(before.score, after.score) and np.array_equal(before.nearest, after.nearest)
        alone = matcher.score(strangers[:1], matcher.enrol(images[:20], subjects[:20]))
        assert np.allclose(alone.score, before.score[:1], atol=1e-4), "other queries do not matter"
        with pytest.raises(ValueError, match="empty"):
            matcher.enrol(images[:0], subjects[:0])

    return check


@pytest.fixture
def leaves_out(people) -> Callable[[MatcherPart], None]:
    """Asserts that `own` is left out, and that a query nobody is left for scores lower than any other."""
    images, subjects, _, _ = people

    def check(part: MatcherPart) -> None:
        images_, subjects_ = images[:60], subjects[:60]
        matcher = part.fit(images_, subjects_, Config(), seed=0, device=torch.device("cpu"))
        gallery, own = matcher.enrol(images_, subjects_), subjects[:6]
        mine, others = matcher.score(images[:6], gallery), matcher.score(images[:6], gallery, own)
        assert (subjects[mine.nearest] == own).all() and (mine.score > others.score).all()
        assert (subjects[others.nearest] != own).all()
        away = subjects_ != own[0]
        without = matcher.score(images[:1], matcher.enrol(images_[away], subjects_[away]))
        assert np.allclose(without.score, others.score[:1], atol=1e-3), "as if it had not been enrolled"
        only = matcher.enrol(images_[~away], subjects_[~away])
        nobody = matcher.score(images[:1], only, own[:1]).score
        assert np.isfinite(nobody).all() and nobody[0] < others.score.min()

    return check
