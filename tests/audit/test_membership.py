"""The AUROC of membership and its permutation distribution."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.game import deal_roles, permuted_codes
from unpersonal.audit.membership import auroc_with_null, largest_difference
from unpersonal.metrics.hypothesis import permutation_p
from unpersonal.metrics.roc import auroc


def test_membership_statistic_is_the_auroc() -> None:
    rng = np.random.default_rng(4)
    roles = deal_roles(np.arange(60) < 40, rng)
    scores = rng.integers(0, 9, 60).astype(float)
    codes = permuted_codes(roles, np.zeros(60), 30, rng)
    value, null = auroc_with_null(scores, codes, roles.train, roles.blocks)
    assert value == pytest.approx(auroc(scores, roles.train))
    for code, found in zip(codes, null, strict=True):
        assert found == pytest.approx(auroc(scores, (code >> 1) < roles.blocks))


def test_the_largest_difference_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(5)
    roles = deal_roles(np.arange(50) < 30, rng)
    values = rng.poisson(1.0, (50, 4)).astype(float)
    values[:, 3] = 2.0  # the same for everybody says nothing
    codes = permuted_codes(roles, np.zeros(50), 40, rng)
    sides = [roles.train, *((code >> 1) < roles.blocks for code in codes)]
    differences = np.array([values[side].mean(axis=0) - values[~side].mean(axis=0) for side in sides])
    standard = differences[:, :3] / np.sqrt((differences[:, :3] ** 2).mean(axis=0))
    wanted = [max(row, key=abs) for row in standard]
    observed, null = largest_difference(values, codes, roles.train, roles.blocks)
    assert [observed, *null] == pytest.approx(wanted)
    nothing, null = largest_difference(values[:, 3:], codes, roles.train, roles.blocks)
    assert nothing == 0.0 and not null.any()


def test_a_leak_in_one_of_many_values_is_found_with_its_sign() -> None:
    rng = np.random.default_rng(6)
    roles = deal_roles(np.arange(90) < 60, rng)
    codes = permuted_codes(roles, np.zeros(90), 999, rng)
    values = rng.normal(size=(90, 9))
    values[:, 7] += 2.0 * roles.train
    observed, null = largest_difference(values, codes, roles.train, roles.blocks)
    assert permutation_p(observed, null) == 0.001
    values[:, 7] -= 4.0 * roles.train
    observed, null = largest_difference(values, codes, roles.train, roles.blocks)
    assert permutation_p(-observed, -null) == 0.001
