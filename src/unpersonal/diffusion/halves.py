"""The train people divided by chance: into halves of a swap that is audited, and shards that are trained apart."""

from __future__ import annotations

import numpy as np

from ..cohort.dealing import join
from ..cohort.inspect.duplicates import find_duplicates
from ..cohort.strata import shuffled_strata, subject_strata
from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.seeds import numpy_rng

UNLABELLED = ("\x00unlabelled",)
"""The label set of images that nobody labelled."""
MOST_UNEQUAL = 20
"""Halves may differ by one person in so many: who has no partner is not compared."""
SWAP, SPLIT = '[audit] design = "swap"', "give more people, or use the design split"


def deal_halves(
    cohort: Cohort, images: np.ndarray, seed: int, *, where: str = SWAP, how: str = SPLIT
) -> tuple[frozenset[str], frozenset[str]]:
    """The train people in two halves: by subject, stratified by label, by chance.

    `images` uint8 [n,C,H,W] are the prepared ones of the cohort. People who share a picture are dealt as one, as they
    are to the splits. `InputError` (`where`, `how` to mend it) where the halves are not equal enough to be compared.
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
            where=where,
            how=how,
        )
    return halves[0], halves[1]


def unequal(first: int, second: int) -> bool:
    """Whether halves of so many people are too unequal for a swap."""
    return abs(first - second) > max(1, (first + second) // MOST_UNEQUAL)
