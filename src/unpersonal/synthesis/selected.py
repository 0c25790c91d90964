"""What synthesis hands on: the selected images with their labels, and those of them that the audit leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cohort.soft_labels import SoftLabels
from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.tensors import open_array
from .ledger import LABELS, SELECTED, TARGETS
from .reviewed import LEDGER, removed_rows
from .soft import load_soft

BLOCK = 1024
"""Images that are hashed at once."""
DROPPED = Path("audit") / "dropped.json"
"""Where the audit says which of the selected images copy people, so that nothing may use them."""


@dataclass(frozen=True)
class Selected:
    """Images that the gate passed: uint8 [m,C,H,W], their label lists, and multi-hot targets float32 [m,K].

    `dropped` are rows of all that were selected, which are not among them. `soft` are class probabilities of the
    images, where there are any.
    """

    images: np.ndarray
    labels: list[list[str]]
    targets: np.ndarray
    dropped: tuple[int, ...] = ()
    soft: SoftLabels | None = None

    def __len__(self) -> int:
        return len(self.images)


def load_selected(study: Path) -> Selected:
    """The selected images of a study; arrays that do not fit together are an `InputError`."""
    folder = study / "candidates"
    images = np.array(open_array(study / SELECTED))
    targets = np.array(open_array(study / TARGETS))
    labels = read_json(study / LABELS)
    if not len(images) == len(targets) == len(labels):
        raise InputError("The selected images and labels differ in number", where=str(folder), how="delete the folder")
    return Selected(images, labels, targets, soft=load_soft(study, len(images)))


def load_released(study: Path) -> Selected:
    """The selected images without those that the audit dropped: all that may be released, shown or learned from.

    A missing or altered list of these is an `InputError`, as is an image that a person removed and that is not in it.
    """
    selected = load_selected(study)
    dropped = read_dropped(study, selected)
    if set(removed_rows(study, selected.images)) - set(dropped):
        raise InputError(
            "Images were removed in the review, and the audit is from before",
            where=str(study / LEDGER),
            how="run the study again",
        )
    kept = np.setdiff1d(np.arange(len(selected)), dropped)
    labels, soft = [selected.labels[row] for row in kept], selected.soft
    return Selected(
        selected.images[kept], labels, selected.targets[kept], dropped, None if soft is None else soft.only(kept)
    )


def write_dropped(study: Path, selected: Selected, rows: Sequence[int]) -> None:
    """Write the rows of `selected` that nothing may use."""
    dropped = sorted({int(row) for row in rows})
    write_json(study / DROPPED, {"rows": dropped, "sha256": _seal(selected, dropped)})


def read_dropped(study: Path, selected: Selected) -> tuple[int, ...]:
    """The rows of `selected`, of all its images, that nothing may use; an `InputError` unless they are known."""
    path = study / DROPPED
    how = "run the audit again"
    try:
        value = read_json(path)
    except (InputError, OSError):
        raise InputError("It is not known which images the audit dropped", where=str(path), how=how) from None
    rows = value.get("rows") if isinstance(value, dict) else None
    listed = rows if isinstance(rows, list) else []
    whole = listed == rows and all(type(row) is int and 0 <= row < len(selected) for row in listed)
    if not whole or value.get("sha256") != _seal(selected, listed):
        raise InputError("The list of dropped images is not that of these images", where=str(path), how=how)
    return tuple(listed)


def _seal(selected: Selected, rows: Sequence[int]) -> str:
    """Hex SHA-256 of the pixels of all selected images together with `rows`."""
    digest = hashlib.sha256(json.dumps(list(rows)).encode() + b"\n")
    for start in range(0, len(selected), BLOCK):
        digest.update(np.ascontiguousarray(selected.images[start : start + BLOCK]).data)
    return digest.hexdigest()
