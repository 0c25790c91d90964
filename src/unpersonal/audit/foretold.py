"""What a person's looks foretell of a score of membership, which says nothing about who trained.

An attacker finds common people nearer to any release than rare ones. Chance deals some more of them to one side, and
that alone moves an AUROC by a hundredth among two thousand people a side. What covariates of a person foretell of the
rank of their score is therefore subtracted (analysis of covariance on ranks: Quade, JASA 1967; of a Mann-Whitney
statistic under random assignment: Koch et al., Statistics in Medicine 1998). The covariates are made of the person's
images and of auxiliary people alone: who trained and what was released change none of them. The rule is learnt on other
people, from differences within a side, so that it never learns the leak itself.

All this holds where chance dealt the sides. Where looks foretell on which side somebody is, nothing is subtracted.

Legend: N subjects, K scores, c covariates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.seeds import numpy_rng
from ..core.threads import one_thread
from ..metrics.cross_fit import FOLDS, cross_fitted
from ..metrics.roc import mid_ranks
from .background import Background
from .distances import EmbeddedSubjects
from .membership import ordinary_distance
from .spaces import KINDS
from .target import Target

FEWEST = 100
"""Subjects of both sides together from whom a rule is learnt, and twice as many as there are covariates; of fewer,
scores stay as they are."""
TELLING = 2.0
"""Standard errors of a correlation of nothing with nothing, beyond which looks are said to foretell the side."""
CONSTANT = 1e-5
"""Share of its size that a covariate must vary by: less is how numbers of single precision are rounded."""


def covariates_of(background: Background, target: Target, sham: Sequence[np.ndarray]) -> np.ndarray:
    """Covariates float64 [N, c] of all subjects of `target`.

    Where a person lies in the spaces, how near strangers come to them, how many images they have, and their ranks by
    the scores [N] of `sham`: those of the attacks on a release of auxiliary people.
    """
    columns = [mid_ranks(each) for each in sham]
    for kind in KINDS:
        embedded = target.embedded(background.space(kind))
        columns.append(mid_ranks(ordinary_distance(embedded, background.reference(kind))))
        columns += list(_means(embedded).T)
    columns.append(np.log(embedded.images_per_subject))
    return np.stack(columns, axis=1)


def _means(embedded: EmbeddedSubjects) -> np.ndarray:
    """Mean of every subject's points, float64 [N, k]."""
    total = np.add.reduceat(embedded.points.astype(np.float64), embedded.starts, axis=0)
    means: np.ndarray = total / embedded.images_per_subject[:, None]
    return means


def foretold_ranks(scores: np.ndarray, train: np.ndarray, covariates: np.ndarray, seed: int) -> np.ndarray:
    """What the covariates [N, c] foretell of the mid-rank of each score, beside the mean: float64 [K, N] of [K, N].

    A ridge regression on the other nine tenths of the subjects, each rank and covariate less its mean of that side
    (`train` bool [N]), times the slope of ranks on what it says. Nothing (0) where that is worth nothing, where
    subjects are fewer than `FEWEST`, or where the covariates foretell the side.
    """
    people = len(train)
    spread = covariates.std(axis=0)
    used = covariates[:, spread > CONSTANT * (1.0 + np.abs(covariates).max(axis=0, initial=0.0))]
    if not len(scores) or people < max(FEWEST, 2 * used.shape[1]) or not used.shape[1]:
        return np.zeros(scores.shape)
    # ranks of these as well: no picture that is like no other may decide what is foretold of the others
    x = np.stack([mid_ranks(column) for column in used.T], axis=1)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    fold = numpy_rng(seed, "audit", "foretold").permutation(people) % FOLDS
    side = train - train.mean()
    with one_thread():
        if _correlation(cross_fitted(x, x, side, fold), side) * np.sqrt(people) > TELLING:
            return np.zeros(scores.shape)
        learnt_from = _within(x, train)
        # one score at a time: beside others last bits would be others, and scores of plug-ins may change none of ours
        return np.stack([_foretold(mid_ranks(each), train, learnt_from, x, fold) for each in scores])


def _foretold(
    ranks: np.ndarray, train: np.ndarray, learnt_from: np.ndarray, x: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """What is foretold of `ranks` [N], of mean 0: float64 [N]."""
    y = _within(ranks, train)
    found = cross_fitted(learnt_from, x, y, fold)
    inside = _within(found, train)
    slope = max(float((inside * y).sum()), 0.0) / max(float((inside**2).sum()), 1e-9)
    foretold: np.ndarray = (found - found.mean()) * slope
    return foretold


def _within(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """`values` [N] or [N, c] less their mean of the side."""
    left = np.array(values, dtype=np.float64)
    for side in (train, ~train):
        left[side] -= left[side].mean(axis=0)
    return left


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two vectors; 0 where one does not vary."""
    size = float(np.std(first) * np.std(second))
    return float(np.mean((first - first.mean()) * (second - second.mean()))) / size if size > 1e-12 else 0.0
