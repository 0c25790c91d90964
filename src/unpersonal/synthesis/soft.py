"""Soft labels of the selected images: by teachers to whom everybody in an image's condition is a stranger.

Legend: m selected images, k subjects in a condition, C classes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..cohort.soft_labels import WHOLE, SoftLabels, rounded
from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.tensors import load_tensors, open_array, save_tensors
from ..features.blend import personal
from ..features.store import load_components, load_conditions
from .ledger import SELECTED, TARGETS, load_ledger
from .plan import Plan

if TYPE_CHECKING:
    import torch

    from ..judges.teachers import Teachers

SOFT = Path("candidates") / "selected_probabilities.safetensors"
CHUNK = 4096
"""Images labelled at once: memory is bounded by as many."""


def write_soft(study: Path, teachers: Teachers, people: np.ndarray | None, classes: tuple[str, ...]) -> None:
    """Label the selected images: row i by the teacher of the fold in which all its `people` int64 [m,k] are.

    They are rows of the cohort: the source, and everybody blended into the condition. Where conditions are nobody's
    (None) the mean of all teachers is taken. People of several folds are a `RuntimeError`. A class that no selected
    image has gets no column.
    """
    import torch

    images, targets = (open_array(study / name) for name in (SELECTED, TARGETS))
    folds = folds_of(teachers, people, len(images))
    found = np.empty((len(images), len(classes)))
    for start in range(0, len(images), CHUNK):
        rows = slice(start, start + CHUNK)
        found[rows] = teachers.probabilities(np.array(images[rows]), folds[rows])
    # the name of a class that no image has would say that the cohort has it
    kept = np.flatnonzero(np.asarray(targets).any(axis=0))
    soft = rounded(found[:, kept], [classes[column] for column in kept], exclusive=teachers.exclusive)
    facts = {"classes": json.dumps(soft.classes), "exclusive": json.dumps(soft.exclusive)}
    save_tensors(study / SOFT, {"thousandths": torch.from_numpy(soft.thousandths)}, facts)


def folds_of_conditions(study: Path) -> np.ndarray | None:
    """The fold of every row of the cohort, int64 [n]; None where the study's conditions are nobody's."""
    from ..judges.teachers import load_folds

    components = load_components(study)
    if load_conditions(study) is None or not personal(components):
        return None
    return load_folds(study)[0]


def soften(study: Path, plan: Plan, cohort: Cohort, device: torch.device) -> Literal["teacher", "mean"]:
    """Write the soft labels of the selected images that were drawn by this plan; whose they are."""
    from ..judges.teachers import load_teachers

    people = None
    if folds_of_conditions(study) is not None:
        ledger = load_ledger(study, ("draw", "selected"))
        draws = ledger.loc[ledger["selected"], "draw"].to_numpy()
        people = np.column_stack([plan.sources[draws], plan.partners[draws]])
    write_soft(study, load_teachers(study, device), people, cohort.classes)
    return "mean" if people is None else "teacher"


def folds_of(teachers: Teachers, people: np.ndarray | None, count: int) -> np.ndarray:
    """The fold of the people of each of `count` images, int64 [m]."""
    from ..judges.teachers import NOBODY

    if people is None:
        return np.full(count, NOBODY, dtype=np.int64)
    folds = teachers.folds[people].reshape(count, -1)
    if (folds != folds[:, :1]).any() or (folds == NOBODY).any():
        raise RuntimeError("a condition was blended of people whom no one teacher has never seen")
    own: np.ndarray = folds[:, 0]
    return own


def load_soft(study: Path, count: int) -> SoftLabels | None:
    """The soft labels of the `count` selected images, None where none were asked for.

    A file that is broken, or of other images, is an `InputError`.
    """
    path = study / SOFT
    if not path.exists():
        return None
    tensors, facts = load_tensors(path)
    try:
        soft = SoftLabels(
            tensors["thousandths"].numpy(), tuple(json.loads(facts["classes"])), json.loads(facts["exclusive"]) is True
        )
        sums = soft.thousandths.sum(axis=1)
        whole = bool(((soft.thousandths >= 0) & (soft.thousandths <= WHOLE)).all())
        summed = not soft.exclusive or bool((sums == WHOLE).all())
        fits = soft.thousandths.shape == (count, len(soft.classes)) and summed
    except (KeyError, TypeError, ValueError):
        whole = fits = False
    if not (whole and fits):
        raise InputError("The probabilities are not those of the selected images", where=str(path), how="delete it")
    return soft
