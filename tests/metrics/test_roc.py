"""AUROC against all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from unpersonal.metrics.roc import auroc, macro_auroc, roc_curve


def by_pairs(scores: np.ndarray, positives: np.ndarray) -> float:
    a, b = scores[positives][:, None], scores[~positives][None, :]
    return float(((a > b) + 0.5 * (a == b)).mean())


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_auroc_counts_pairs(levels: int) -> None:
    rng = np.random.default_rng(levels)
    for n in (2, 3, 17, 80):
        scores, positives = rng.integers(0, levels, n) / 7.0, rng.random(n) < 0.4
        positives[:2] = [True, False]
        assert auroc(scores, positives) == pytest.approx(by_pairs(scores, positives))
        fpr, tpr, thresholds = roc_curve(scores, positives)
        area = (np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum()
        assert area == pytest.approx(by_pairs(scores, positives))
        for x, y, threshold in zip(fpr, tpr, thresholds, strict=True):
            assert x == pytest.approx((scores[~positives] >= threshold).mean())
            assert y == pytest.approx((scores[positives] >= threshold).mean())


def test_known_values() -> None:
    assert auroc([0, 1], [False, True]) == 1.0
    assert auroc([1, 0], [False, True]) == 0.0
    assert auroc([3, 3, 3], [True, False, True]) == 0.5
    assert np.isnan(auroc([1, 2], [True, True]))


def test_macro_leaves_out_classes_of_one_kind() -> None:
    probabilities = np.array([[0.1, 0.9, 0.2], [0.8, 0.1, 0.3], [0.7, 0.3, 0.4]])
    targets = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert macro_auroc(probabilities, targets) == pytest.approx((1.0 + 1.0) / 2)
    assert np.isnan(macro_auroc(probabilities, np.zeros((3, 3))))


def test_bad_scores_are_refused() -> None:
    with pytest.raises(ValueError):
        auroc([np.nan, 1.0], [True, False])
    with pytest.raises(ValueError):
        auroc([1.0, 2.0, 3.0], [True, False])
    with pytest.raises(ValueError):
        roc_curve([1.0, 2.0], [True, True])
