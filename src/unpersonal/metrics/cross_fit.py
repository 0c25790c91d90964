"""Cross-fitted ridge regression: what is foretold of everybody is learnt on others."""

from __future__ import annotations

import numpy as np

FOLDS = 10
PENALTIES = np.geomspace(0.1, 1e5, 13)
"""Of the ridge regression, from which the errors of left-out people choose."""


def cross_fitted(learnt_from: np.ndarray, x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """What the other folds' `learnt_from` [N, c] and `y` [N], both of mean 0, say of each row of `x` [N, c]: [N].

    All float64 but `fold`, int64 [N] in 0 to `FOLDS` - 1. There is no intercept.
    """
    from sklearn.linear_model import RidgeCV

    found = np.zeros(len(y))
    for number in range(FOLDS):
        here = fold == number
        found[here] = x[here] @ RidgeCV(PENALTIES, fit_intercept=False).fit(learnt_from[~here], y[~here]).coef_
    return found
