"""Subject-wise split into train, val, aux and test, stratified by label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ..core.errors import InputError
from .config import Splits
from .strata import shuffled_strata, subject_strata
from .table import SPLITS


def split_subjects(
    subjects: Sequence[str], labels: Sequence[Sequence[str]], fractions: Splits, seed: int
) -> dict[str, str]:
    """The split of every subject; `subjects` and `labels` have one entry per image.

    Within each stratum of label the counts follow the fractions with the largest remainders rounded up; which subject
    goes where depends on the seed and its name only, not on the order of the rows.
    """
    order = {name: getattr(fractions, name) for name in SPLITS}
    split: dict[str, str] = {}
    for members in shuffled_strata(subject_strata(subjects, labels), seed, "split").values():
        counts = largest_remainder(len(members), list(order.values()))
        names = np.repeat(list(order), counts)
        split.update(zip(members, (str(name) for name in names), strict=True))
    return split


def largest_remainder(total: int, fractions: Sequence[float]) -> list[int]:
    """Whole counts that add up to `total`, each its quota rounded down or up (Hamilton's method).

    Ties go to the earlier fraction.
    """
    quotas = [round(total * fraction, 9) for fraction in fractions]
    counts = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (round(counts[i] - quotas[i], 9), i))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def given_splits(subjects: Sequence[str], splits: Sequence[str]) -> dict[str, str]:
    """The split of every subject as the input gives it; a subject in two splits is an `InputError`."""
    seen: Mapping[str, set[str]] = defaultdict(set)
    for subject, split in zip(subjects, splits, strict=True):
        seen[subject].add(split)
    torn = sorted(subject for subject, found in seen.items() if len(found) > 1)
    if torn:
        found = ", ".join(sorted(seen[torn[0]]))
        raise InputError(
            f"{len(torn)} subjects are in more than one split (for example {torn[0]!r}: {found})",
            where="the split column",
            how="give all images of a subject the same split",
        )
    return {subject: next(iter(splits_seen)) for subject, splits_seen in seen.items()}
