"""Which class probabilities the image of a draw should have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..cohort.table import Cohort
from ..core.seeds import numpy_rng
from .plan import Plan

MOST = 256
"""Train images of a label set whose class probabilities are averaged."""


def wanted_probabilities(
    cohort: Cohort,
    plan: Plan,
    images: np.ndarray,
    classify: Callable[[np.ndarray], np.ndarray],
    *,
    personal: bool,
    seed: int,
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from draws int64 [n] to class probabilities [n,C].

    `personal` says that a condition belongs to images: then they are those of the source image, as in the paper. Else
    they are the mean over train images that were given the wanted label set, and no person's are needed.
    """
    if personal:

        def of_sources(draws: np.ndarray) -> np.ndarray:
            rows, position = np.unique(plan.sources[draws], return_inverse=True)
            return classify(np.array(images[rows]))[position.reshape(-1)]

        return of_sources
    means = np.zeros((len(plan.label_sets), len(cohort.classes)))
    for number in np.unique(plan.label_set):
        means[number] = classify(np.array(images[_some_of(cohort, plan, number, seed)])).mean(axis=0)
    return lambda draws: means[plan.label_set[draws]]


def _some_of(cohort: Cohort, plan: Plan, number: int, seed: int) -> np.ndarray:
    """At most `MOST` rows, ascending, of train images that were given label set `number`."""
    like = cohort.targets[plan.sources[np.flatnonzero(plan.label_set == number)[0]]]
    rows = np.flatnonzero((cohort.splits == "train") & cohort.labelled & (cohort.targets == like).all(axis=1))
    return np.sort(numpy_rng(seed, "wanted", int(number)).permutation(rows)[:MOST])
