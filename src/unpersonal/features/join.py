"""Conditions joined out of components of unit length: features, label codes, texts, and what plug-ins add.

Legend: n images, C classes, L length of a condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import InputError
from .store import Component


class Unjoined(NamedTuple):
    """A component by itself: its kind, unit rows float32 [n,·], and the properties of a `Component`."""

    kind: str
    rows: np.ndarray
    from_labels: bool
    noisy: bool = True
    shared_by: int = 1


def join(found: Sequence[Unjoined]) -> tuple[np.ndarray | None, tuple[Component, ...]]:
    """Conditions float32 [n,L] with rows of unit length, and their components.

    Each of P components is scaled by 1/sqrt(P). None without components.
    """
    if not found:
        return None, ()
    components, start = [], 0
    for kind, rows, from_labels, noisy, shared_by in found:
        components.append(Component(kind, start, start + rows.shape[1], from_labels, noisy, shared_by))
        start += rows.shape[1]
    joined = np.concatenate([each.rows for each in found], axis=1) / np.float32(np.sqrt(len(found)))
    return joined.astype(np.float32), tuple(components)


def relabel(
    conditions: np.ndarray | None, components: Sequence[Component], targets: np.ndarray, labelled: np.ndarray
) -> np.ndarray | None:
    """The conditions [n,L] with the components that hang on labels taken from labelled images of the same label set.

    A component that several subjects share becomes the nearest one of that label set: an unlabelled image goes where
    all of its group go. `targets` [n,C] hold predicted labels where `labelled` [n] is False. A predicted label set that
    no labelled image has is an `InputError`: there is no code for it.
    """
    bare = np.flatnonzero(~np.asarray(labelled, dtype=bool))
    if conditions is None or not len(bare) or not any(each.from_labels or each.shared_by > 1 for each in components):
        return conditions
    first: dict[bytes, int] = {}
    for row in np.flatnonzero(labelled):
        first.setdefault(np.asarray(targets[row], dtype=np.float32).tobytes(), int(row))
    models = [first.get(np.asarray(targets[row], dtype=np.float32).tobytes(), -1) for row in bare]
    if -1 in models:
        raise InputError(
            "An image was predicted a set of labels that no labelled image has",
            where="models/judges",
            how="run the judges stage again",
        )
    changed = np.array(conditions)
    for component in components:
        if component.from_labels:
            changed[bare, component.columns] = conditions[models][:, component.columns]
        elif component.shared_by > 1:
            for model in np.unique(models):
                like = np.flatnonzero(labelled & (np.asarray(targets) == targets[model]).all(axis=1))
                own = bare[np.array(models) == model]
                known = np.array(conditions[like, component.columns])
                changed[own, component.columns] = nearest(np.array(conditions[own, component.columns]), known)
    return changed


def nearest(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each of `rows` [m,L] the row of `known` [q,L] that points most nearly the same way."""
    distinct = np.unique(known, axis=0)
    return np.asarray(distinct[(rows @ distinct.T).argmax(axis=1)])
