"""What synthesis hands on: the selected images with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import read_json
from ..core.tensors import open_array


@dataclass(frozen=True)
class Selected:
    """Images that the gate passed: uint8 [m,C,H,W], their label lists, and multi-hot targets float32 [m,K]."""

    images: np.ndarray
    labels: list[list[str]]
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def load_selected(study: Path) -> Selected:
    """The selected images of a study; arrays that do not fit together are an `InputError`."""
    folder = study / "candidates"
    images = np.array(open_array(folder / "selected.npy"))
    targets = np.array(open_array(folder / "selected_targets.npy"))
    labels = read_json(folder / "selected_labels.json")
    if not len(images) == len(targets) == len(labels):
        raise InputError("The selected images and labels differ in number", where=str(folder), how="delete the folder")
    return Selected(images, labels, targets)
