"""Noise in the released labels, by classifiers that learned from real images and chose none of the synthetic ones.

The gate's classifier would not do: it ranked the candidates, so that it disputes few of those it chose, right or wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..cohort.table import Cohort
from ..core.errors import InputError
from ..metrics.figures import LabelNoiseFigures
from ..metrics.label_noise import Judged, label_noise
from ..metrics.roc import as_frequent
from ..synthesis.ledger import load_ledger
from ..synthesis.selected import Selected


def noise_of(
    members: Sequence[np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    released: tuple[np.ndarray, np.ndarray],
    classes: Sequence[str],
    rng: np.random.Generator,
) -> LabelNoiseFigures | None:
    """What the mean of `members` says of the released labels; each float32 [t+m,C], of the test images and then these.

    `test` and `released` are multi-hot targets [t,C] and [m,C] and the units [t] and [m] that the interval resamples.
    Exclusive labels are called by the likeliest class, others by a threshold that calls as many test images so as have
    the label. None where only one class is released or none.
    """
    columns = np.flatnonzero(released[0].any(axis=0) | test[0].any(axis=0))
    if len(columns) < 2:
        return None
    truth, given = (np.asarray(targets)[:, columns] > 0.5 for targets, _ in (test, released))
    probabilities = np.mean(members, axis=0)[:, columns]
    exclusive = bool((truth.sum(axis=1) == 1).all() and (given.sum(axis=1) == 1).all())
    if exclusive:
        called = np.eye(len(columns), dtype=bool)[probabilities.argmax(axis=1)]
    else:
        own = probabilities[: len(truth)]
        levels = [as_frequent(p, has.astype(float)) for p, has in zip(own.T, truth.T, strict=True)]
        called = probabilities > np.array(levels)
    return label_noise(
        Judged(given, called[len(truth) :], released[1]),
        Judged(truth, called[: len(truth)], test[1]),
        [classes[int(column)] for column in columns],
        exclusive=exclusive,
        rng=rng,
    )


def units_of(study: Path, cohort: Cohort, selected: Selected) -> np.ndarray:
    """The subject of the source of each selected image, str [m]; each image by itself where no ledger tells.

    Images under one person's condition are alike, and no more evidence than one.
    """
    alone = np.arange(len(selected)).astype(str)
    try:
        ledger = load_ledger(study)
    except InputError:
        return alone
    sources = ledger.loc[ledger["selected"], "source"].to_numpy()
    kept = np.delete(sources, [row for row in selected.dropped if row < len(sources)])
    return cohort.subjects[kept].astype(str) if len(kept) == len(selected) else alone
