"""A pose nearby is found, also of a negative, and what is not the same picture is not made so."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unpersonal.matching.alignment import alike, posed, refined
from unpersonal.matching.fields import grey
from unpersonal.matching.geometry import affine
from unpersonal.phantom import phantom_cohort

SIDE = 32


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    images, subjects, _ = phantom_cohort(30, 1, 64)
    return grey(images[np.unique(subjects, return_index=True)[1]])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_misplaced_picture_is_brought_back(pictures, sign):
    count = len(pictures)
    moved = affine(2.0, (1.04, 0.98), (0.04, -0.05)).expand(count, 2, 3)
    query = posed(pictures * sign, moved, SIDE)
    start = affine().expand(count, 2, 3)
    before = alike(*query, *posed(pictures, start, SIDE))
    after = refined(*query, pictures, start).score
    assert (after >= before).all() and float(after.quantile(0.1)) > 0.97 > float(before.quantile(0.5))


def test_a_stranger_stays_one(pictures):
    start = affine().expand(len(pictures), 2, 3)
    query = posed(pictures.roll(1, 0), start, SIDE)
    assert float(refined(*query, pictures, start).score.max()) < 0.95


def test_the_number_together_does_not_matter(pictures):
    start = affine().expand(len(pictures), 2, 3)
    query = posed(pictures, affine(3.0).expand(len(pictures), 2, 3), SIDE)
    alone = refined(query[0][:1], query[1][:1], pictures[:1], start[:1]).score
    assert torch.allclose(refined(*query, pictures, start).score[:1], alone, atol=1e-4)


def test_hardly_anything_in_common_is_nothing_in_common(pictures):
    query = posed(pictures, affine().expand(len(pictures), 2, 3), SIDE)
    far = posed(pictures, affine(shift=(1.8, 0.0)).expand(len(pictures), 2, 3), SIDE)
    assert float(alike(*query, *far).max()) == 0.0
