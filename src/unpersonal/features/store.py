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
class Component:
    """Columns `start` to `stop` of a condition, and of which `kind` they are (a name of the registry of conditions).

    `from_labels` says that images with the same labels have the same vector there: label codes, and prompts. `noisy`
    says that noise is put there: never on a label, which would become another one. `shared_by` says that every vector
    there is that of at least so many train subjects, or of all; 1: it may be of one image.
    """

    kind: str
    start: int
    stop: int
    from_labels: bool = False
    noisy: bool = True
    shared_by: int = 1

    @property
    def columns(self) -> slice:
        """The component's columns."""
        return slice(self.start, self.stop)


def save_conditions(study: Path, conditions: np.ndarray | None, components: tuple[Component, ...]) -> None:
    """Write float32 `conditions` [n,L] (None: no condition at all) and what their columns are."""
    folder = study / "features"
    if conditions is None:
        (folder / "conditions.npy").unlink(missing_ok=True)
    else:
        save_array(folder / "conditions.npy", conditions.astype(np.float32))
    write_json(folder / "conditions.json", {"components": [asdict(each) for each in components]})


def load_components(study: Path) -> tuple[Component, ...]:
    """The components of the study's conditions in their order, none where it has no condition."""
    path = study / "features" / "conditions.json"
    try:
        components = tuple(Component(**each) for each in read_json(path)["components"])
    except (KeyError, TypeError):
        raise InputError("Not a description of conditions", where=str(path), how=AGAIN) from None
    return components


def load_conditions(study: Path) -> np.ndarray | None:
    """Memory-mapped float32 [n,L], rows of unit length, one per row of the cohort; None for `uncond`."""
    components = load_components(study)
    if not components:
        return None
    path = study / "features" / "conditions.npy"
    conditions = open_array(path)
    if conditions.ndim != 2 or conditions.shape[1] != components[-1].stop:
        raise InputError(f"Conditions of shape {conditions.shape} are not those described", where=str(path), how=AGAIN)
    return conditions


def noise_scale(components: tuple[Component, ...]) -> np.ndarray:
    """float32 [L]: unit normals times this have an L2 length of about 1 in each noisy component, 0 elsewhere."""
    scale = np.zeros(components[-1].stop if components else 0, dtype=np.float32)
    for each in components:
        if each.noisy:
            scale[each.columns] = 1 / np.sqrt((each.stop - each.start) * len(components))
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
