"""Several images of a person are no advantage: the largest score is corrected for their number."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.membership_people import Combination
from unpersonal.metrics.roc import auroc


def people(rng: np.random.Generator, counts: np.ndarray, alike: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of images, of which a share `alike` of the variance is the person's, and where each person begins."""
    own = np.repeat(rng.normal(size=len(counts)), counts)
    scores = np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=counts.sum())
    return scores, np.cumsum(counts) - counts


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.95])
def test_people_with_several_images_do_not_stand_out(alike: float) -> None:
    rng = np.random.default_rng(3)
    counts = np.repeat([1, 2, 4], 1500)
    combination = Combination.of(*people(rng, rng.permutation(np.repeat([1, 2, 4], 100)), alike))
    scores, starts = people(rng, counts, alike)
    found, plain = combination.people(scores, starts), np.maximum.reduceat(scores, starts)
    for several in (2, 4):
        chosen = (counts == 1) | (counts == several)
        assert abs(auroc(found[chosen], counts[chosen] == several) - 0.5) < 0.08
    assert auroc(plain, counts > 1) > auroc(found, counts > 1)


def test_one_copied_image_of_several_is_seen() -> None:
    rng = np.random.default_rng(4)
    counts = np.full(400, 3)
    scores, starts = people(rng, counts, 0.3)
    combination = Combination.of(scores, starts)
    scores[starts[:200] + 1] += 5.0
    assert auroc(combination.people(scores, starts), np.arange(400) < 200) > 0.97


def test_without_several_images_anywhere_the_mean_is_taken() -> None:
    combination = Combination.of(np.arange(5.0), np.arange(5))
    assert combination.slope is None
    assert combination.people(np.array([1.0, 3.0, 7.0]), np.array([0, 2])).tolist() == [2.0, 7.0]
