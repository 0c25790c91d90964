"""The halves of a swap inside a study: the train people divided by chance, each half a cohort of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort, load_cohort
from ..cohort.texts import load_texts, save_texts
from ..core.figures import Figures
from ..core.tensors import create_array
from ..diffusion.halves import deal_halves as deal_halves
from ..diffusion.halves import unequal as unequal

CHUNK = 1024
"""Images copied at once."""


@dataclass(frozen=True, kw_only=True)
class HalfFigures(Figures):
    """Train people and train images of one half."""

    people: int
    images: int


def half_rows(cohort: Cohort, half: frozenset[str]) -> np.ndarray:
    """Rows of the cohort without the train people of the other half, int64, ascending."""
    train = cohort.splits == "train"
    kept: np.ndarray = np.flatnonzero(~train | np.isin(cohort.subjects.astype(str), sorted(half))).astype(np.int64)
    return kept


def write_half(study: Path, folder: Path, half: frozenset[str]) -> HalfFigures:
    """Write a cohort whose train people are `half` of those of `study`, all else of it as it is, into `folder`.

    That is cohort.parquet, the prepared images and the texts: what the stages after `cohort` read.
    """
    cohort, images = load_cohort(study), load_images(study)
    rows = half_rows(cohort, half)
    table = cohort.table.iloc[rows].reset_index(drop=True)
    names = table["image"].tolist()
    part = replace(cohort, table=table, unlabelled=cohort.unlabelled & frozenset(names))
    with create_array(folder / "store" / "images.npy", (len(rows), *images.shape[1:]), images.dtype) as copy:
        for start in range(0, len(rows), CHUNK):
            copy[start : start + CHUNK] = images[rows[start : start + CHUNK]]
    texts = load_texts(study, cohort)
    save_texts(folder, names, None if texts is None else [texts[row] for row in rows])
    part.save(folder)
    return HalfFigures(people=len(half), images=len(part.rows("train")))
