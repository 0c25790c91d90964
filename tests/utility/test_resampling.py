"""All bootstrap samples at once against one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.metrics.intervals import subject_bootstrap
from unpersonal.utility import resampling
from unpersonal.utility.paired import mean_macro_auroc
from unpersonal.utility.resampling import resampled_aurocs, weighted_auroc


def test_samples_are_those_of_the_bootstrap_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    subjects = np.array([f"s{number}" for number in rng.integers(0, 25, 60)])
    targets = rng.random((60, 3)) < [0.5, 0.1, 0.04]
    # ties among the scores, and classes that a sample may lack
    arms = [[np.round(rng.random((60, 3)), 1) for _ in range(2)] for _ in range(2)]
    expected = [
        subject_bootstrap(
            subjects,
            lambda rows, arm=arm: mean_macro_auroc([m[rows] for m in arm], targets[rows]),
            replicates=40,
            rng=np.random.default_rng(7),
        )
        for arm in arms
    ]
    for block in (resampling.BLOCK, 60 * 7):
        monkeypatch.setattr(resampling, "BLOCK", block)
        found = resampled_aurocs(arms, targets, subjects, replicates=40, rng=np.random.default_rng(7))
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_sample_without_an_outcome_has_no_auroc() -> None:
    counts = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    found = weighted_auroc(np.array([0.2, 0.7]), np.array([False, True]), counts)
    assert found[0] == 1.0 and np.isnan(found[1:]).all()
