"""The AUROC of membership and its permutation distribution."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.audit.game import deal_roles, permuted_codes
from unpersonal.audit.membership import auroc_with_null
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
