"""What a person's looks foretell of a score of membership, which says nothing about who trained.

An attacker finds common people nearer to any release than rare ones. Chance deals some more of them to one side, and
that alone moves an AUROC by a hundredth among two thousand people a side. What covariates of a person foretell of the
rank of their score is therefore subtracted (analysis of covariance on ranks: Quade, JASA 1967; of a Mann-Whitney
statistic under random assignment: Koch et al., Statistics in Medicine 1998). The covariates are made of the person's
images and of auxiliary people alone: who trained and what was released change none of them, so that a leak stays whole
and only the noise goes. The rule is learnt on other people and does not know the sides, so that permutations of these
are as good as ever.

Legend: N subjects, K scores, c covariates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.seeds import numpy_rng
from ..core.threads import one_thread
from ..metrics.roc import mid_ranks
from .background import Background
from .distances import EmbeddedSubjects
from .membership import ordinary_distance
from .spaces import KINDS
from .target import Target

FOLDS = 10
FEWEST = 100
"""Subjects of both sides together from whom a rule is learnt; of fewer, scores stay as they are."""
PENALTIES = np.geomspace(0.1, 1e5, 13)
"""Of the ridge regression, from which the errors of left-out people choose."""


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


def foretold_ranks(scores: np.ndarray, covariates: np.ndarray, seed: int) -> np.ndarray:
    """What the covariates [N, c] foretell of the mid-rank of each score, beside the mean: float64 [K, N] of [K, N].

    A ridge regression on the other nine tenths of the subjects, times the slope of ranks on what it says; nothing (0)
    where it is worth nothing, or subjects are fewer than `FEWEST`.
    """
    from sklearn.linear_model import RidgeCV

    people = scores.shape[1] if len(scores) else 0
    spread = covariates.std(axis=0)
    used = covariates[:, spread > 1e-9 * (1.0 + np.abs(covariates).max(axis=0, initial=0.0))]
    if people < FEWEST or not used.shape[1]:
        return np.zeros(scores.shape)
    # ranks of these as well: no picture that is like no other may decide what is foretold of the others
    x = np.stack([mid_ranks(column) for column in used.T], axis=1)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = np.stack([mid_ranks(each) - (people + 1) / 2.0 for each in scores], axis=1)
    found = np.zeros_like(y)
    fold = numpy_rng(seed, "audit", "foretold").permutation(people) % FOLDS
    with one_thread():
        for number in range(FOLDS):
            learnt = RidgeCV(PENALTIES, alpha_per_target=True).fit(x[fold != number], y[fold != number])
            found[fold == number] = learnt.predict(x[fold == number]).reshape(-1, y.shape[1])
    found -= found.mean(axis=0)
    across = (found**2).sum(axis=0)
    slope = np.maximum((found * y).sum(axis=0), 0.0) / np.maximum(across, 1e-9)
    foretold: np.ndarray = (found * slope).T
    return foretold
