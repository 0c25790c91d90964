"""The gate's threshold for a stated miss rate on copies, and what the gate costs and misses at that threshold.

The unit is the subject. A subject counts as missed if ANY of its copies (one per perturbation) scores below the
threshold against its unperturbed original: the statement is about copies of an image that the gate knows, and is
printed as such.

Exactness. Let m_i be the lowest score of subject i's copies, i = 1..n, and t = m_(r) the r-th smallest. Flagging
`score >= t` misses at most r - 1 of the n subjects, and for subjects drawn like these P(m < t) is at most the
one-sided Clopper-Pearson bound of r - 1 misses in n, with the stated confidence and whatever the distribution of m:
the coverage of an order statistic is Beta(r, n - r + 1) (Wilks 1941), whose upper quantile is that bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..metrics.intervals import clopper_pearson, clopper_pearson_lower, clopper_pearson_upper
from ..metrics.roc import auroc, roc_curve
from .reidentifier import Embedded, Reidentifier

ROC_POINTS = 200
ROC_NEGATIVES = 2_000_000


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


@dataclass(frozen=True)
class CopyScores:
    """Scores at calibration, against which a threshold is set and judged.

    `copies` float32 [P, n]: each perturbed copy with its own original; `strangers` float32 [n]: each original with the
    best of all train images.
    """

    copies: np.ndarray
    strangers: np.ndarray


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


def score_copies(
    reidentifier: Reidentifier, originals: np.ndarray, copies: np.ndarray, train: Embedded
) -> tuple[CopyScores, Embedded]:
    """Score copies uint8 [P, n, C, H, W] with their `originals` [n, C, H, W], and these with the train gallery.

    The second result is the originals as a gallery.
    """
    gallery = reidentifier.embed_gallery(originals)
    scores = np.stack([reidentifier.paired_scores(reidentifier.embed(batch), gallery) for batch in copies])
    strangers, _ = reidentifier.best_match(reidentifier.embed(originals), train)
    return CopyScores(scores, strangers), gallery


def sensitivity(
    reidentifier: Reidentifier,
    originals: Embedded,
    copies: np.ndarray,
    threshold: float,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Share of `copies` uint8 [n, C, H, W] flagged against the gallery `originals`, with its one-sided lower bound.

    Each copy must come from another subject, else the bound (Clopper-Pearson) is not one.
    """
    scores, _ = reidentifier.best_match(reidentifier.embed(copies), originals)
    flagged = int((scores >= np.float32(threshold)).sum())
    return flagged / max(len(copies), 1), clopper_pearson_lower(flagged, len(copies), confidence)


def kappa(a: np.ndarray, b: np.ndarray) -> float | None:
    """Cohen's kappa of two bool arrays; None where chance alone explains full agreement."""
    observed = float((a == b).mean())
    chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def agreement(flags: Sequence[np.ndarray]) -> dict[str, Any]:
    """Mean agreement and Cohen's kappa over the pairs of members' flags (bool arrays of one length)."""
    pairs = [(a, b) for i, a in enumerate(flags) for b in flags[i + 1 :]]
    if not pairs:
        return {"agreement": None, "kappa": None}
    kappas = [value for value in (kappa(a, b) for a, b in pairs) if value is not None]
    return {
        "agreement": float(np.mean([(a == b).mean() for a, b in pairs])),
        "kappa": float(np.mean(kappas)) if kappas else None,
    }


def flags_of(scores: CopyScores, threshold: float) -> np.ndarray:
    """bool [n + P n]: unseen originals against train, then copies against their originals."""
    level = np.float32(threshold)
    return np.concatenate([scores.strangers >= level, (scores.copies >= level).reshape(-1)])


def describe(scores: CopyScores, threshold: Threshold, names: Sequence[str], confidence: float) -> dict[str, Any]:
    """The rates at `threshold`, JSON-able."""
    level = np.float32(threshold.value)
    count = threshold.subjects
    flagged = int((scores.strangers >= level).sum())
    low, high = clopper_pearson(flagged, count, confidence)
    return {
        "threshold": threshold.value,
        "miss_rate": threshold.miss_rate,
        "miss_rate_upper": threshold.miss_rate_upper,
        "miss_rate_of": {name: float((row < level).mean()) for name, row in zip(names, scores.copies, strict=True)},
        "false_flag_rate": flagged / count,
        "false_flag_rate_lower": low,
        "false_flag_rate_upper": high,
        "calibration_subjects": count,
    }


def consistency(
    reidentifier: Reidentifier,
    originals: np.ndarray,
    copies: np.ndarray,
    train: Embedded,
    *,
    target: float,
    confidence: float,
    spend: float,
) -> dict[str, Any]:
    """Every member calibrated alone: its false-flag rate, and how far the members' flags agree."""
    flags, rates = [], []
    for index in range(len(reidentifier.members)):
        scores, _ = score_copies(reidentifier.only(index), originals, copies, train.only(index))
        worst = scores.copies.min(axis=0)
        threshold = spend_false_flags(pick_threshold(worst, target, confidence), scores.strangers, worst, spend)
        flags.append(flags_of(scores, threshold.value))
        rates.append(float(flags[-1][: len(originals)].mean()))
    return {
        **agreement(flags),
        "unseen": agreement([row[: len(originals)] for row in flags]),
        "false_flag_rates": {f"member {index + 1}": rate for index, rate in enumerate(rates)},
    }


def visit_recall(
    reidentifier: Reidentifier,
    images: np.ndarray,
    subjects: np.ndarray,
    chosen: np.ndarray,
    gallery: Embedded,
    threshold: float,
) -> tuple[float | None, int]:
    """Share of subjects whose other visit is flagged against the chosen image, and how many have another visit.

    `chosen` are the rows of `images` that `gallery` embeds, one per subject. Of further visits the first counts.
    None where no subject has one. Reported, never bounded: this is not what the threshold promises.
    """
    names = np.asarray(subjects, dtype=str)
    queries, partners = [], []
    for position, row in enumerate(chosen):
        others = np.flatnonzero(names == names[row])
        others = others[others != row]
        if len(others):
            queries.append(int(others[0]))
            partners.append(position)
    if not queries:
        return None, 0
    scores = reidentifier.paired_scores(reidentifier.embed(images[np.array(queries)]), gallery.rows(np.array(partners)))
    return float((scores >= np.float32(threshold)).mean()), len(queries)


def thin(fpr: np.ndarray, tpr: np.ndarray, points: int = ROC_POINTS) -> dict[str, list[float]]:
    """At most `points` points of a ROC curve, half of them even in its length, half in the logarithm of the rate."""
    if len(fpr) > points:
        even = np.linspace(0, len(fpr) - 1, points // 2).round().astype(int)
        least = max(float(fpr[fpr > 0].min()), 1e-9) if (fpr > 0).any() else 1e-9
        rates = np.geomspace(least, 1.0, points - points // 2 - 1)
        kept = np.unique(np.concatenate([[0], even[1:-1], np.searchsorted(fpr, rates), [len(fpr) - 1]]))
        kept = kept[kept < len(fpr)]
        fpr, tpr = fpr[kept], tpr[kept]
    return {"fpr": [float(value) for value in fpr], "tpr": [float(value) for value in tpr]}


def pair_roc(
    reidentifier: Reidentifier, scores: CopyScores, originals: np.ndarray, train: Embedded
) -> tuple[dict[str, list[float]], float]:
    """ROC and AUROC of copies with their originals against pairs of different subjects (originals with train)."""
    step = max(int(np.ceil(len(originals) * len(train) / ROC_NEGATIVES)), 1)
    strangers = reidentifier.scores(reidentifier.embed(originals), train.rows(np.arange(0, len(train), step)))
    values = np.concatenate([scores.copies.reshape(-1), strangers.reshape(-1)])
    positives = np.arange(len(values)) < scores.copies.size
    fpr, tpr, _ = roc_curve(values, positives)
    return thin(fpr, tpr), auroc(values, positives)
