"""The excess of FID is that of the populations, whatever the numbers of people."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import Clouds
from unpersonal.metrics.generative.fid import frechet_distance
from unpersonal.metrics.generative.fid_excess import WIDEST, excess_ratio, fid_excess, real_floor


def test_the_excess_of_the_same_people_is_nothing_and_fid_is_not() -> None:
    rng = np.random.default_rng(0)
    same = Clouds(dimensions=8, people=120, images=2, scale=1.0, shift=0.0)
    test, subjects = same.real(rng, 120)
    other = same.synthetic(rng, 200)
    found = fid_excess(test, subjects, other, rng)
    assert found.lower < 0.0 < found.upper
    assert abs(found.value) < 0.5 * frechet_distance(test, other).fid


def test_a_ratio_of_excesses_is_not_pulled_to_one() -> None:
    rng = np.random.default_rng(1)
    near, far = (Clouds(dimensions=16, people=150, images=2, scale=1.0, shift=shift) for shift in (0.2, 0.4))
    test, subjects = near.real(rng, 150)
    first, second = near.synthetic(rng, 300), far.synthetic(rng, 300)
    found = excess_ratio(test, subjects, second, first, rng)
    plain = frechet_distance(test, second).fid / frechet_distance(test, first).fid
    assert far.truth / near.truth == pytest.approx(4.0)
    assert found.lower < 4.0 < found.upper and abs(found.value - 4.0) < abs(plain - 4.0)


def test_a_ratio_to_nothing_is_not_known() -> None:
    rng = np.random.default_rng(2)
    same = Clouds(dimensions=8, people=100, images=1, scale=1.0, shift=0.0)
    test, _ = same.real(rng, 100)
    assert excess_ratio(test, None, test + 0.5, test, rng).upper == np.inf


def test_the_floor_is_that_of_disjoint_people_at_these_sizes() -> None:
    rng = np.random.default_rng(3)
    real = rng.normal(size=(600, 8))
    few, many = real_floor(real, None, (50, 50), rng), real_floor(real, None, (300, 300), rng)
    assert few > 3.0 * many > 0.0
    # too few rows: half the sizes, half the distance
    assert real_floor(real, None, (600, 600), rng) == pytest.approx(many / 2, rel=0.4)


def test_wide_features_are_refused() -> None:
    rows = np.random.default_rng(4).normal(size=(5, WIDEST + 1))
    with pytest.raises(ValueError, match="dimensions"):
        fid_excess(rows, None, rows, np.random.default_rng(0))
