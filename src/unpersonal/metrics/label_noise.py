"""Noise in the labels of released images: how many of them an image does not show, by a classifier's disagreement.

A classifier that errs disputes right labels as well. How often it does so is known of real people held out from its
training, and is taken off again. Legend: n released images, h real images, C classes, u units, R replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .figures import LabelNoiseFigures
from .intervals import percentile_interval

REPLICATES = 500
CHUNK = 50
"""Replicates at once: memory is bounded by as many weights of every unit."""
FEWEST = 5
"""Held-out people with a label, below whom nothing is told of it by itself."""
SINGULAR = 1e-3
"""Determinant-like size below which a classifier tells too little for its errors to be taken off."""


@dataclass(frozen=True)
class Judged:
    """Images with labels and what a classifier calls them, both bool [n,C], and the unit (a person) of each, [n]."""

    labels: np.ndarray
    called: np.ndarray
    units: np.ndarray


def label_noise(
    released: Judged, held_out: Judged, classes: Sequence[str], *, exclusive: bool, rng: np.random.Generator
) -> LabelNoiseFigures:
    """The noise in the labels of `released`, with the errors of the classifier on `held_out` people taken off.

    Exclusive: with row i of P the classes that images labelled i are called, and row j of Q those that real images of
    class j are, P = T Q, and the diagonal of T = P Q⁻¹ is the share of right labels (inverse confusion: Lipton et al.,
    ICML 2018; noise rates: Northcutt et al., JAIR 2021). Otherwise each label by itself: (a - f) / (s - f) of the share
    a that is called so, sensitivity s and false positives f (Rogan & Gladen, Am. J. Epidemiology 1978). The interval
    resamples units of both sides.
    """
    tables = [_tables(each, exclusive) for each in (released, held_out)]
    estimate = _wrong_exclusive if exclusive else _wrong_each
    counts = released.labels.sum(axis=0)
    wrong = estimate(*(table.sum(axis=0) for table in tables))
    values = np.concatenate(
        [
            _overall(estimate(*drawn), _labels_of(drawn[0], exclusive))
            for drawn in (_drawn(tables[0], tables[1], rng) for _ in range(-(-REPLICATES // CHUNK)))
        ]
    )
    # a replicate of which nothing is known may be anything
    low, high = (
        percentile_interval(np.where(np.isnan(values), unknown, values))[end] for end, unknown in ((0, 0.0), (1, 1.0))
    )
    overall = float(_overall(wrong, counts))
    return LabelNoiseFigures(
        labels=int(counts.sum()),
        disputed=float(1.0 - (released.labels & released.called).sum() / max(int(counts.sum()), 1)),
        wrong=None if np.isnan(overall) else overall,
        wrong_interval=(low, high),
        wrong_by_label={
            name: None if np.isnan(value) or people < FEWEST else float(np.clip(value, 0.0, 1.0))
            for name, value, count, people in zip(classes, wrong, counts, _people(held_out), strict=True)
            if count
        },
        held_out_subjects=len(np.unique(held_out.units)),
    )


def _people(judged: Judged) -> list[int]:
    """Units that have each label, [C]."""
    units = np.asarray(judged.units).astype(str)
    return [len(np.unique(units[has])) for has in np.asarray(judged.labels, dtype=bool).T]


def _tables(judged: Judged, exclusive: bool) -> np.ndarray:
    """Counts of every unit: [u,C,C] of label and what it is called, or [u,C,2,2] of each label by itself."""
    _, unit = np.unique(np.asarray(judged.units).astype(str), return_inverse=True)
    labels, called = (np.asarray(each, dtype=bool) for each in (judged.labels, judged.called))
    classes = labels.shape[1]
    if exclusive:
        table = np.zeros((int(unit.max()) + 1, classes, classes))
        np.add.at(table, (unit, labels.argmax(axis=1), called.argmax(axis=1)), 1.0)
        return table
    table = np.zeros((int(unit.max()) + 1, classes, 2, 2))
    for column in range(classes):
        np.add.at(table[:, column], (unit, labels[:, column].astype(int), called[:, column].astype(int)), 1.0)
    return table


def _drawn(released: np.ndarray, held_out: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Replicates of both tables; that of held-out people has one more image of every class, called at random.

    Of errors that nobody made yet a bootstrap would otherwise be certain.
    """
    unseen = rng.dirichlet(np.full(held_out.shape[-1], 0.5), size=(CHUNK, *held_out.shape[1:-1]))
    return _resampled(released, CHUNK, rng), _resampled(held_out, CHUNK, rng) + unseen


def _resampled(table: np.ndarray, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Sums over units drawn with replacement, [R, ...] of [u, ...]."""
    units = len(table)
    weights = rng.multinomial(units, np.full(units, 1.0 / units), size=replicates)
    return (weights @ table.reshape(units, -1)).reshape(replicates, *table.shape[1:])


def _labels_of(table: np.ndarray, exclusive: bool) -> np.ndarray:
    """Labels of each class in tables, [...,C]."""
    found: np.ndarray = table.sum(axis=-1) if exclusive else table[..., 1, :].sum(axis=-1)
    return found


def _overall(wrong: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over the labels of [...,C], NaN where a class that is released is not known.

    Only the mean is brought into [0, 1]: of each class by itself, only chance above nothing would be kept.
    """
    total = np.where(counts > 0, wrong * counts, 0.0).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = np.clip(total / counts.sum(axis=-1), 0.0, 1.0)
    return found


def _wrong_exclusive(released: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Share of wrong labels of each class, [...,C], of tables [...,C,C], below 0 by chance; NaN: it cannot be told."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares, errors = (each / each.sum(axis=-1, keepdims=True) for each in (released, held_out))
    known = np.isfinite(errors).all(axis=(-2, -1), keepdims=True)
    own = np.where(known, errors, np.eye(errors.shape[-1]))
    known = known[..., 0] & (np.linalg.svd(own, compute_uv=False)[..., -1:] > SINGULAR)
    inverse = np.linalg.inv(np.where(known[..., None], own, np.eye(errors.shape[-1])))
    found: np.ndarray = np.where(known, 1.0 - np.diagonal(shares @ inverse, axis1=-2, axis2=-1), np.nan)
    return found


def _wrong_each(released: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """As `_wrong_exclusive`, of tables [...,C,2,2]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        called = released[..., 1, 1] / released[..., 1, :].sum(axis=-1)
        sensitivity = held_out[..., 1, 1] / held_out[..., 1, :].sum(axis=-1)
        false = held_out[..., 0, 1] / held_out[..., 0, :].sum(axis=-1)
        right = (called - false) / (sensitivity - false)
    found: np.ndarray = np.where(sensitivity - false > SINGULAR, 1.0 - right, np.nan)
    return found
