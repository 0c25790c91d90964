"""Conditions joined out of unit parts: features, label codes, and texts or prompts.

Legend: n images, C classes, L length of a condition.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.errors import InputError
from .pca import unit_rows
from .store import ConditionPart


def join_parts(found: Sequence[tuple[str, np.ndarray, bool]]) -> tuple[np.ndarray | None, tuple[ConditionPart, ...]]:
    """Conditions float32 [n,L] with rows of unit length, and their parts, of (kind, unit rows [n,·], from labels).

    Each of P parts is scaled by 1/sqrt(P). None without parts.
    """
    if not found:
        return None, ()
    parts, start = [], 0
    for kind, rows, from_labels in found:
        parts.append(ConditionPart(kind, start, start + rows.shape[1], from_labels))
        start += rows.shape[1]
    joined = np.concatenate([rows for _, rows, _ in found], axis=1) / np.float32(np.sqrt(len(found)))
    return joined.astype(np.float32), tuple(parts)


def label_codes(targets: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Unit rows float32 [n,C], [n,C+1] or [n,C+2] of multi-hot `targets` [n,C]; `labelled` bool [n].

    A column is added for images that are labelled and have no label ("no finding") where there are any, and one for
    images that nobody labelled, where there are any.
    """
    labelled = np.asarray(labelled, dtype=bool)
    none = labelled & (targets.sum(axis=1) == 0)
    columns = [np.where(labelled[:, None], targets, 0)]
    columns += [which[:, None] for which in (none, ~labelled) if which.any()]
    return unit_rows(np.concatenate(columns, axis=1, dtype=np.float32))


def prompt_of(labels: Sequence[str], template: str) -> str:
    """`template` with the labels in place of `{labels}`: lower case, joined as `a, b and c`; `no finding` for none."""
    names = [label.lower() for label in labels]
    text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "no finding"
    return template.replace("{labels}", text)


def relabel(
    conditions: np.ndarray | None, parts: Sequence[ConditionPart], targets: np.ndarray, labelled: np.ndarray
) -> np.ndarray | None:
    """The conditions [n,L] with the parts that hang on labels taken from labelled images of the same label set.

    `targets` [n,C] hold predicted labels where `labelled` [n] is False. A predicted label set that no labelled image
    has is an `InputError`: there is no code for it.
    """
    bare = np.flatnonzero(~np.asarray(labelled, dtype=bool))
    if conditions is None or not len(bare) or not any(part.from_labels for part in parts):
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
    for part in parts:
        if part.from_labels:
            changed[bare, part.columns] = conditions[models][:, part.columns]
    return changed
