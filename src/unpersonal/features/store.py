"""The features and conditions of a study on disk.

`features.npy` is there only where the condition has a feature; `conditions.npy` only where there is a condition.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import read_json, write_json
from ..core.tensors import open_array, save_array

AGAIN = "run the features stage again"


@dataclass(frozen=True)
class ConditionPart:
    """Columns `start` to `stop` of a condition: a `feature`, a `label` or a `text`.

    `from_labels` says that images with the same labels have the same vector there: label codes, and prompts.
    """

    kind: str
    start: int
    stop: int
    from_labels: bool = False

    @property
    def columns(self) -> slice:
        """The part's columns."""
        return slice(self.start, self.stop)

    @property
    def noisy(self) -> bool:
        """Whether noise is put on the part: never on a label, which would become another one."""
        return self.kind != "label"


def save_conditions(study: Path, conditions: np.ndarray | None, parts: tuple[ConditionPart, ...]) -> None:
    """Write float32 `conditions` [n,L] (None: no condition at all) and what their columns are."""
    folder = study / "features"
    if conditions is None:
        (folder / "conditions.npy").unlink(missing_ok=True)
    else:
        save_array(folder / "conditions.npy", conditions.astype(np.float32))
    write_json(folder / "conditions.json", {"parts": [asdict(part) for part in parts]})


def load_parts(study: Path) -> tuple[ConditionPart, ...]:
    """The parts of the study's conditions in their order, none where it has no condition."""
    path = study / "features" / "conditions.json"
    try:
        parts = tuple(ConditionPart(**part) for part in read_json(path)["parts"])
    except (KeyError, TypeError):
        raise InputError("Not a description of conditions", where=str(path), how=AGAIN) from None
    return parts


def load_conditions(study: Path) -> np.ndarray | None:
    """Memory-mapped float32 [n,L], rows of unit length, one per row of the cohort; None for `uncond`."""
    parts = load_parts(study)
    if not parts:
        return None
    path = study / "features" / "conditions.npy"
    conditions = open_array(path)
    if conditions.ndim != 2 or conditions.shape[1] != parts[-1].stop:
        raise InputError(f"Conditions of shape {conditions.shape} are not those described", where=str(path), how=AGAIN)
    return conditions


def noise_scale(parts: tuple[ConditionPart, ...]) -> np.ndarray:
    """float32 [L]: unit normals times this have an L2 length of about 1 in each noisy unit part, and 0 in a label."""
    scale = np.zeros(parts[-1].stop if parts else 0, dtype=np.float32)
    for part in parts:
        if part.noisy:
            scale[part.columns] = 1 / np.sqrt((part.stop - part.start) * len(parts))
    return scale


def check_conditions(conditions: np.ndarray | None, label_dim: int) -> None:
    """`InputError` unless `conditions` float32 [B,L] are finite and as wide as the denoiser's `label_dim` (0: None)."""
    if conditions is None:
        if label_dim:
            raise InputError(
                f"The denoiser was trained under conditions of length {label_dim}, and none are given",
                where="[features] condition",
                how="run the features and diffusion stages again with one [features] condition",
            )
        return
    if conditions.ndim != 2 or conditions.shape[1] != label_dim:
        raise InputError(
            f"Conditions of shape {tuple(conditions.shape)} do not fit a denoiser whose conditions have length "
            f"{label_dim}",
            where="features/conditions.npy",
            how="run the features and diffusion stages again with one [features] condition",
        )
    if not np.isfinite(conditions).all():
        raise InputError("A condition is not finite", where="features/conditions.npy", how=AGAIN)
