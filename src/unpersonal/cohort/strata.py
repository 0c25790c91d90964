"""Strata of subjects by label, and their seeded halves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ..core.seeds import derive_seed

Stratum = tuple[str, ...]
# a label set with fewer subjects than this cannot fill every split; its subjects join those of their rarest label
SMALL_STRATUM = 10


def subject_strata(subjects: Sequence[str] | np.ndarray, labels: Sequence[Sequence[str]]) -> dict[str, Stratum]:
    """The stratum of every subject: its most frequent label set (ties: the first in sorted order).

    `subjects` and `labels` have one entry per image. Rare label sets (fewer than 10 subjects) are replaced by the
    rarest of their labels alone. The result does not depend on the order of the rows.
    """
    sets: dict[str, Counter[Stratum]] = defaultdict(Counter)
    for subject, row in zip(subjects, labels, strict=True):
        sets[str(subject)][tuple(sorted(set(row)))] += 1
    strata = {subject: min(counts, key=lambda s: (-counts[s], s)) for subject, counts in sets.items()}
    sizes = Counter(strata.values())
    label_sizes = Counter(label for stratum in strata.values() for label in stratum)
    return {
        subject: stratum
        if sizes[stratum] >= SMALL_STRATUM or len(stratum) < 2
        else (min(stratum, key=lambda label: (label_sizes[label], label)),)
        for subject, stratum in strata.items()
    }


def shuffled_strata(strata: Mapping[str, Stratum], *seed: int | str) -> dict[Stratum, list[str]]:
    """Subjects of each stratum in an order that depends on the seed and the subject's name only."""
    members: dict[Stratum, list[str]] = defaultdict(list)
    for subject, stratum in strata.items():
        members[stratum].append(subject)
    return {
        stratum: sorted(members[stratum], key=lambda subject: (derive_seed(*seed, subject), subject))
        for stratum in sorted(members)
    }


def halve(strata: Mapping[str, Stratum], seed: int, name: str) -> dict[str, int]:
    """0 or 1 for every subject: two halves that differ by at most one subject in every stratum.

    The odd subject of a stratum joins the half that is smaller so far; a stratum of one subject joins half 1, the one
    in which thresholds are calibrated and weights certified.
    """
    half: dict[str, int] = {}
    sizes = [0, 0]
    for members in shuffled_strata(strata, seed, "half", name).values():
        first = 1 if len(members) == 1 or sizes[1] <= sizes[0] else 0
        for position, subject in enumerate(members):
            chosen = (first + position) % 2
            half[subject] = chosen
            sizes[chosen] += 1
    return half
