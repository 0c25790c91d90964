"""Here the gate's threshold is chosen: for a stated miss rate on copies, then lowered by what false flags may cost.

The unit is the subject. A subject counts as missed if ANY of its copies (one per perturbation) scores below the
threshold against its unperturbed original: the statement is about copies of an image that the gate knows, and is
printed as such. Every matcher of the gate gets its threshold in this way; where the thresholds act is
`synthesis/gate.py`.

Exactness. Let m_i be the lowest score of subject i's copies, i = 1..n, and t = m_(r) the r-th smallest. Flagging
`score >= t` misses at most r - 1 of the n subjects, and for subjects drawn like these P(m < t) is at most the
one-sided Clopper-Pearson bound of r - 1 misses in n, with the stated confidence and whatever the distribution of m:
the coverage of an order statistic is Beta(r, n - r + 1) (Wilks 1941), whose upper quantile is that bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..matching.base import flags
from ..metrics.intervals import clopper_pearson, clopper_pearson_upper
from .config import JudgesConfig
from .figures import RateFigures


@dataclass(frozen=True)
class CopyScores:
    """Scores at calibration, against which a threshold is set and judged.

    `copies` float32 [P, n]: each perturbed copy with its own original; `strangers` float32 [n]: each original with the
    best of all train images.
    """

    copies: np.ndarray
    strangers: np.ndarray

    @property
    def worst(self) -> np.ndarray:
        """The lowest score of every subject's copies, float32 [n]."""
        worst: np.ndarray = self.copies.min(axis=0)
        return worst


@dataclass(frozen=True)
class Threshold:
    """An order statistic as threshold: flag where score >= `value`; `missed` of `subjects` lie below it."""

    value: float
    rank: int
    subjects: int
    missed: int
    miss_rate: float
    miss_rate_upper: float
    shortfall: str


def choose_threshold(scores: CopyScores, config: JudgesConfig) -> Threshold:
    """The threshold that keeps the miss rate on copies under its target and spends the false flags that are allowed.

    Scores of copies that are not finite are a `ValueError`.
    """
    threshold = pick_threshold(scores.worst, config.miss_target, config.confidence)
    return spend_false_flags(threshold, scores.strangers, scores.worst, config.false_flag_spend)


def pick_threshold(worst: np.ndarray, target: float, confidence: float = 0.95) -> Threshold:
    """Threshold from every subject's lowest copy score `worst` [n]: the highest rank whose bound keeps `target`.

    Where even rank 1 (nobody missed) has a bound above `target`, rank 1 is taken and `shortfall` says how many subjects
    would be needed. Scores that are not finite, or none at all, are a `ValueError`.
    """
    scores = np.sort(np.asarray(worst))
    count = len(scores)
    if count == 0 or not np.isfinite(scores).all():
        raise ValueError("a threshold needs finite scores of at least one subject")
    rank = 1
    while rank < count and clopper_pearson_upper(rank, count, confidence) <= target:
        rank += 1
    value = float(scores[rank - 1])
    missed = int((scores < scores[rank - 1]).sum())
    # of the rank, not of `missed`: with tied scores fewer are missed here, but the tolerance limit is the rank's
    upper = clopper_pearson_upper(rank - 1, count, confidence)
    shortfall = ""
    if upper > target:
        needed = int(np.ceil(np.log(1 - confidence) / np.log(1 - target)))
        shortfall = (
            f"the miss rate on copies is bounded by {upper:.4f} only, above the target {target:g}: "
            f"{count} calibration subjects, {needed} are needed"
        )
    return Threshold(value, rank, count, missed, missed / count, upper, shortfall)


def spend_false_flags(threshold: Threshold, strangers: np.ndarray, worst: np.ndarray, share: float) -> Threshold:
    """The same threshold, lowered until a `share` of the unseen subjects is flagged; never raised.

    `strangers` [n] are unseen subjects' best scores against train, `worst` [n] the lowest copy scores. A lower
    threshold flags more, so the bound of the miss rate stays true; what it buys is sensitivity to what the copies do
    not show, such as generated near-duplicates. The false-flag rate at the new threshold is in-sample.
    """
    count = int(np.floor(share * len(strangers)))
    if count == 0 or not np.isfinite(strangers).all():
        return threshold
    value = min(threshold.value, float(np.sort(strangers)[::-1][count - 1]))
    missed = int((np.asarray(worst) < np.float32(value)).sum())
    return replace(threshold, value=value, missed=missed, miss_rate=missed / threshold.subjects)


def rates_at(scores: CopyScores, threshold: Threshold, names: Sequence[str], confidence: float) -> RateFigures:
    """What is missed and what is flagged without reason at `threshold`; `names` [P] are those of the perturbations."""
    level = np.float32(threshold.value)
    flagged = int(flags(scores.strangers, threshold.value).sum())
    low, high = clopper_pearson(flagged, threshold.subjects, confidence)
    return RateFigures(
        threshold=threshold.value,
        miss_rate=threshold.miss_rate,
        miss_rate_upper=threshold.miss_rate_upper,
        miss_rate_of={name: float((row < level).mean()) for name, row in zip(names, scores.copies, strict=True)},
        false_flag_rate=flagged / threshold.subjects,
        false_flag_rate_lower=low,
        false_flag_rate_upper=high,
        calibration_subjects=threshold.subjects,
    )


def shortfall(missed: str, false_flag_rate: float, budget: float) -> str:
    """What the gate does not reach, in one line; empty where it reaches everything."""
    texts = [missed] if missed else []
    if false_flag_rate > budget:
        texts.append(
            f"{false_flag_rate:.3f} of the unseen subjects are flagged, above the budget {budget:g}; the miss rate wins"
        )
    return "; ".join(texts)
