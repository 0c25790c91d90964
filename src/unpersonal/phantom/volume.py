"""Volumes: contiguous axial slices of one visit, whose anatomy changes smoothly with the height."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.errors import InputError
from ..core.seeds import numpy_rng
from .brain import FIELD_MM, HEIGHT_MM
from .modality import get_modality
from .population import MIN_SIZE, Subjects, _scene, batch_rows

SLICE_MM = 5.0
MAX_SLICES = 16


def spacing_mm(size: int) -> float:
    """Edge of a pixel of a head of `size` pixels a side, in mm."""
    return FIELD_MM / size


def render_volume(subjects: Subjects, visits: np.ndarray, size: int, slices: int = 8) -> np.ndarray:
    """Volumes float32 [m, slices, size, size] in the units of the modality, the lowest slice first, SLICE_MM apart.

    Pose, bias and severity are those of the visit's image, whose level is the middle of the volume; each slice has its
    own noise. An `InputError` for a modality without a height (a radiograph), a size or a number of slices beyond the
    limits.
    """
    kind = get_modality(subjects.modality)
    if "height" not in kind.acquisition:
        raise InputError(f"There are no volumes of {kind.title}", how="use the modality ct or mri")
    if size < MIN_SIZE:
        raise InputError(f"The phantom has at least {MIN_SIZE} pixels a side, not {size}", how=f"use --size {MIN_SIZE}")
    if not 1 <= slices <= MAX_SLICES:
        raise InputError(f"A volume has 1 to {MAX_SLICES} slices, not {slices}", how="use 8")
    visits = np.asarray(visits)
    volumes = np.empty((len(visits), slices, size, size), dtype=np.float32)
    for start in range(0, len(visits), batch_rows(size)):
        batch = visits[start : start + batch_rows(size)]
        scene = _scene(kind, subjects, batch, size)
        for k in range(slices):
            above = np.float32((k - (slices - 1) / 2) * SLICE_MM / HEIGHT_MM)
            visit = {**scene.visit, "height": scene.visit["height"] + above}
            cut = replace(scene, visit=visit, grain=_grain(subjects, batch, k, scene.grain))
            volumes[start : start + len(batch), k] = kind.draw(cut).reshape(-1, size, size)
    return volumes


def _grain(subjects: Subjects, visits: np.ndarray, k: int, like: np.ndarray) -> np.ndarray:
    """Unit normal noise of the k-th slice, of the shape of `like` [fields, b, p], seeded image by image."""
    grain = np.empty_like(like)
    for i, (row, number) in enumerate(visits):
        names = (subjects.seed, "phantom", subjects.modality, subjects.stream, "slice", int(row), int(number), k)
        grain[:, i] = numpy_rng(*names).standard_normal(grain[:, i].shape, dtype=np.float32)
    return grain
