"""The halves of a swap inside a study: the train people divided by chance, each half a cohort of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..codec.store import load_images
from ..cohort.dealing import join
from ..cohort.inspect.duplicates import find_duplicates
from ..cohort.strata import shuffled_strata, subject_strata
from ..cohort.table import Cohort, load_cohort
from ..cohort.texts import load_texts, save_texts
from ..core.errors import InputError
from ..core.figures import Figures
from ..core.seeds import numpy_rng
from ..core.tensors import create_array

CHUNK = 1024
"""Images copied at once."""
UNLABELLED = ("\x00unlabelled",)
"""The label set of images that nobody labelled."""
MOST_UNEQUAL = 20
"""Halves may differ by one person in so many: who has no partner is not compared."""


@dataclass(frozen=True, kw_only=True)
class HalfFigures(Figures):
    """Train people and train images of one half."""

    people: int
    images: int


def deal_halves(cohort: Cohort, images: np.ndarray, seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """The train people in two halves: by subject, stratified by label, by chance.

    `images` uint8 [n,C,H,W] are the prepared ones of the cohort. People who share a picture are dealt as one, as they
    are to the splits. `InputError` where the halves are not equal enough to be compared.
    """
    rows = cohort.rows("train")
    subjects = cohort.subjects[rows].astype(str)
    contents = cohort.table["sha256"].to_numpy()[rows].astype(str)
    shared = join(subjects, find_duplicates(np.array(images[rows]), subjects, contents.tolist()).links)
    groups = np.array([shared.get(subject, subject) for subject in subjects])
    labels, labelled = cohort.labels, cohort.labelled
    strata = subject_strata(groups, [labels[row] if labelled[row] else UNLABELLED for row in rows])
    order = [group for members in shuffled_strata(strata, seed, "swap").values() for group in members]
    size = {group: len(set(subjects[groups == group])) for group in set(shared.values())}
    counts, half_of = [0, 0], {}
    coin = int(numpy_rng(seed, "swap", "coin").integers(2))
    # whoever is next goes to the half with fewer people: through all strata they take turns
    for group in order:
        half_of[group] = coin if counts[0] == counts[1] else int(counts[1] < counts[0])
        counts[half_of[group]] += size.get(group, 1)
    halves = [
        frozenset(str(subject) for subject, group in zip(subjects, groups, strict=True) if half_of[group] == half)
        for half in (0, 1)
    ]
    sizes = [len(half) for half in halves]
    if min(sizes) == 0 or unequal(sizes[0], sizes[1]):
        raise InputError(
            f"The train people cannot be halved: {sizes[0]} and {sizes[1]} of them, as those who share a picture are"
            " kept together",
            where='[audit] design = "swap"',
            how="give more people, or use the design split",
        )
    return halves[0], halves[1]


def unequal(first: int, second: int) -> bool:
    """Whether halves of so many people are too unequal for a swap."""
    return abs(first - second) > max(1, (first + second) // MOST_UNEQUAL)


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
