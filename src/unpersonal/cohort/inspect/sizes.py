"""Whether there are enough subjects for the gate; what the audit can reach with them, `audit.reachable` says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ...core.words import plural
from ...metrics.intervals import clopper_pearson_upper
from ..dealing import CONTROL, SPLITS
from ..table import HALVES, Cohort
from .suspicion import Suspicion

STRANGERS = 100
"""Held-out subjects (half of val, and aux) that the gate's thresholds need: a share of fewer says little."""


@dataclass(frozen=True)
class SizeCheck:
    """Whether there are enough subjects for the gate; `cohort_needed` is what the whole cohort would have to have."""

    miss_bound: float
    protected_needed: int
    strangers: int
    strangers_needed: int
    train: int
    subjects: int
    cohort_needed: int

    @property
    def enough(self) -> bool:
        """Whether every subset is large enough."""
        return self.strangers >= self.strangers_needed and self.train >= self.protected_needed


def protected_subjects_needed(miss_bound: float, confidence: float = 0.95) -> int:
    """The fewest subjects n of whom none is missed that bound the miss rate: (1 - miss_bound)^n <= 1 - confidence.

    The one-sided Clopper-Pearson bound of 0 in n is then at most `miss_bound` (0 < miss_bound < 1, else `ValueError`).
    """
    if not 0.0 < miss_bound < 1.0:
        raise ValueError(f"a miss bound must lie strictly between 0 and 1, not {miss_bound}")
    n = max(1, math.ceil(math.log1p(-confidence) / math.log1p(-miss_bound)) - 1)
    while clopper_pearson_upper(0, n, confidence) > miss_bound:
        n += 1
    return n


def check_size(
    subsets: Mapping[str, int],
    miss_bound: float,
    fractions: Mapping[str, float] | None = None,
    confidence: float = 0.95,
) -> SizeCheck:
    """Compare subjects per subset (those of `SPLITS` and `val-calibration`) with what the gate needs.

    `fractions` are the shares of the splits, by default those of `subsets`.
    """
    subjects = sum(subsets[split] for split in SPLITS) + subsets.get(CONTROL, 0)
    shares = fractions or {split: subsets[split] / subjects for split in SPLITS}
    needed = protected_subjects_needed(miss_bound, confidence)
    demands = (
        (needed, shares["train"]),
        (STRANGERS, shares["val"] / 2 + shares["aux"]),
    )
    # a share of 0.1 times 2,990 must not become 2,991 by rounding
    whole = max(math.ceil(round(demand / share, 6)) if share > 0 else 0 for demand, share in demands)
    return SizeCheck(
        miss_bound=miss_bound,
        protected_needed=needed,
        strangers=subsets["val-calibration"] + subsets["aux"],
        strangers_needed=STRANGERS,
        train=subsets["train"],
        subjects=subjects,
        cohort_needed=whole,
    )


def subjects_per_subset(cohort: Cohort) -> dict[str, int]:
    """Number of subjects of every split and of the halves of val and aux."""
    subjects = cohort.subjects
    return {subset: len(set(subjects[cohort.rows(subset)])) for subset in (*SPLITS, CONTROL, *HALVES)}


def suspect_size(size: SizeCheck, *, given: bool) -> list[Suspicion]:
    """Subsets with too few subjects; `given` splits are those of the input."""
    splits = "the given splits" if given else "these splits"
    how = (
        f"about {_about(size.cohort_needed):,} subjects in all would do for the gate with {splits}; "
        "with fewer the run ends with exit code 3"
    )
    found = []
    if size.strangers < size.strangers_needed:
        sentence = (
            f"{plural(size.strangers, 'stranger')} (half of val, and aux): too few for the gate's thresholds, which "
            f"need {size.strangers_needed}"
        )
        found.append(Suspicion("few-strangers", sentence, size.strangers, how))
    if size.train < size.protected_needed:
        sentence = (
            f"{plural(size.train, 'train subject')}: too few for a miss bound of {size.miss_bound:g}, which takes "
            f"{size.protected_needed:,}"
        )
        found.append(Suspicion("few-protected-subjects", sentence, size.train, how))
    return found


def _about(count: int) -> int:
    """Rounded up to two significant digits."""
    step = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step
