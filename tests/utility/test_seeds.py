"""What training seeds add to an interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from unpersonal.utility.seeds import Seeds


def test_without_subjects_it_is_students_interval() -> None:
    figures = [0.80, 0.83, 0.79, 0.84]
    seeds, mean = Seeds.of(figures), float(np.mean(figures))
    low, high = t.interval(0.95, 3, mean, np.std(figures, ddof=1) / 2.0)
    assert seeds.widened((mean, mean), mean) == pytest.approx((low, high))


def test_equal_arms_add_up_to_welchs_degrees_of_freedom() -> None:
    one = Seeds(0.01, 2.0)
    both = Seeds.of_difference(one, one)
    assert both.variance == pytest.approx(0.02) and both.freedom == pytest.approx(4.0)
    assert Seeds.of_difference(one, Seeds(0.0, 2.0)).freedom == pytest.approx(2.0)


def test_seeds_that_agree_and_a_single_one_change_nothing() -> None:
    for seeds in (Seeds.of([0.9]), Seeds.of([0.9, 0.9])):
        assert seeds.widened((0.85, 0.95), 0.9) == pytest.approx((0.85, 0.95))
        assert seeds.above(0.95, 0.9, 0.95) == pytest.approx(0.95)


def test_seeds_that_differ_widen_it() -> None:
    low, high = Seeds.of([0.80, 0.90]).widened((0.84, 0.86), 0.85)
    assert low < 0.84 and high > 0.86
