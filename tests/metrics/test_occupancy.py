"""Variances of counts of distinct hits against enumeration and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from unpersonal.metrics.occupancy import (
    design_effect,
    equal_cells_variance,
    expected_cells,
    halves_effect,
    ratio_interval,
    unequal_cells_variance,
)


@pytest.mark.parametrize(("queries", "cells"), [(1, 1), (3, 1), (1, 4), (4, 3), (5, 4)])
def test_variance_of_equal_cells_by_enumeration(queries: int, cells: int) -> None:
    counts = [len(set(hits)) for hits in product(range(cells), repeat=queries)]
    assert equal_cells_variance(queries, cells) == pytest.approx(np.var(counts), abs=1e-12)


def test_variance_of_unequal_cells_is_that_of_repeated_draws() -> None:
    rng = np.random.default_rng(0)
    share = rng.pareto(1.2, 400) + 0.05
    draws = [rng.choice(400, 300, p=share / share.sum()) for _ in range(600)]
    true = np.var([len(np.unique(hits)) for hits in draws])
    assert np.mean([unequal_cells_variance(hits) for hits in draws[:200]]) == pytest.approx(true, rel=0.2)


@pytest.mark.parametrize(("queries", "cells"), [(10, 4), (100, 300), (300, 40)])
def test_expected_cells_solve_the_expectation(queries: int, cells: int) -> None:
    occupied = cells * (1 - (1 - 1 / cells) ** queries)
    assert expected_cells(queries, occupied) == pytest.approx(cells)
    assert expected_cells(queries, queries) == np.inf


def test_people_who_hit_together_raise_the_variance_and_others_do_not() -> None:
    rng = np.random.default_rng(1)
    hits = rng.integers(0, 300, 300)
    together, people = np.repeat(hits, 2), np.repeat(np.arange(300), 2)
    alone = halves_effect(hits, np.arange(300), rng)
    assert alone is not None and 0.5 < alone < 1.5
    found = halves_effect(together, people, rng)
    assert found is not None and found > 1.5
    assert design_effect(together, people, 300, rng) > 1.5
    assert design_effect(hits, np.arange(300), 300, rng) < 2.0


def test_ratio_of_exact_figures_has_no_width_and_unsure_ones_add_up() -> None:
    assert ratio_interval((6.0, 6.0, 6.0), (3.0, 3.0, 3.0)) == pytest.approx((2.0, 2.0))
    low, high = ratio_interval((6.0, 3.0, 12.0), (3.0, 1.5, 6.0))
    assert (low, high) == pytest.approx((2.0 * 2.0 ** -(2**0.5), 2.0 * 2.0 ** (2**0.5)))
