"""FID in excess of what finite sets of real people have among themselves, with an interval over subjects.

FID of n rows is inflated by about c/n (Chong & Forsyth, arXiv 1911.07023, eq. 2), so that two draws of the same people
are at a distance as well: the floor. A ratio of two FIDs is pulled to 1 by it; a ratio of their excesses is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core.config import Config
from ..features import as_features, same_width
from ..intervals import subject_rows
from ..metric import FeatureSets, Figure, Need
from .fid import frechet_distance

REPLICATES = 200
"""Bootstrap samples of people."""
CONFIDENCE = 0.95
"""Two-sided, of every interval here."""
SPLITS = 5
"""Random divisions of the real people over which the floor is averaged."""
WIDEST = 256
"""Dimensions beyond which so many distances take too long."""


@dataclass(frozen=True)
class Excess:
    """The distance of the populations: `value`, and its two-sided 95 % interval; all in squared feature units."""

    value: float
    lower: float
    upper: float


def real_floor(real: np.ndarray, subjects: ArrayLike | None, sizes: tuple[int, int], rng: np.random.Generator) -> float:
    """FID of real people against other real people, two disjoint sets of `sizes` rows, averaged over divisions.

    `real` [n, d]; `subjects` [n], else each row is somebody's own. Where there are not n rows enough, sets of f times
    these sizes are compared, and f times their FID is the floor.
    """
    rows = subject_rows(np.arange(len(real)) if subjects is None else subjects)
    share = min(1.0, len(real) / sum(sizes))
    first, second = (int(share * size) for size in sizes)
    found = []
    for _ in range(SPLITS):
        order = np.concatenate([rows[number] for number in rng.permutation(len(rows))])
        found.append(frechet_distance(real[order[:first]], real[order[first : first + second]]).fid)
    return share * float(np.mean(found))


def _bootstrapped(
    reference: np.ndarray,
    whose: ArrayLike | None,
    sets: tuple[np.ndarray, ...],
    rng: np.random.Generator,
    sources: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """FID of `reference` to each of `sets` as it is, [k], and over bootstrap samples of people, [REPLICATES, k].

    All sets see the same sampled people of the reference; sets of equal length see the same sampled rows, of whole
    `sources` where these are given.
    """
    rows = subject_rows(np.arange(len(reference)) if whose is None else whose)
    others = {
        size: subject_rows(np.arange(size) if sources is None else sources)
        for size in sorted({len(other) for other in sets})
    }
    plain = np.array([frechet_distance(reference, other).fid for other in sets])
    drawn = np.empty((REPLICATES, len(sets)))
    for replicate in range(REPLICATES):
        people = _sample(rows, rng)
        chosen = {size: _sample(groups, rng) for size, groups in others.items()}
        drawn[replicate] = [frechet_distance(reference[people], other[chosen[len(other)]]).fid for other in sets]
    return plain, drawn


def _sample(rows: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """All rows of as many groups as there are, drawn with replacement."""
    return np.concatenate([rows[number] for number in rng.integers(0, len(rows), len(rows))])


def _checked(reference: np.ndarray, *sets: np.ndarray) -> None:
    same_width(reference, *sets)
    if reference.shape[1] > WIDEST:
        raise ValueError(f"the excess of FID is measured in at most {WIDEST} dimensions")


def fid_excess(
    reference: np.ndarray, subjects: ArrayLike | None, other: np.ndarray, rng: np.random.Generator
) -> Excess:
    """FID of `reference` [n, d] to `other` [m, d] less what is owed to their finite numbers of people.

    That is estimated by the bootstrap, whose samples are as much inflated again: 2 FID - mean of FID* (Efron &
    Tibshirani 1993, eq. 10.6), over whole people of the reference. May be negative. The interval takes the deviations
    of FID* from their mean off (basic bootstrap; Davison & Hinkley 1997, eq. 5.6).
    """
    reference, other = as_features(reference, "reference"), as_features(other, "other")
    _checked(reference, other)
    plain, drawn = _bootstrapped(reference, subjects, (other,), rng)
    value = 2.0 * plain[0] - drawn.mean()
    low, high = np.quantile(drawn[:, 0] - drawn.mean(), [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    return Excess(float(value), float(value - high), float(value - low))


def excess_ratio(
    reference: np.ndarray,
    subjects: ArrayLike | None,
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
    *,
    sources: ArrayLike | None = None,
    confidence: float = CONFIDENCE,
) -> Excess:
    """Excess of `first` over that of `second`, both against `reference`, with its two-sided interval (no unit).

    Row i of two sets of equal length is drawn for the same source; `sources` [n] names the subject of each. An end
    where the excess of `second` may be 0 is infinite, and the value is where it is not positive: then nothing can be
    said of a ratio.
    """
    reference, first, second = (as_features(rows) for rows in (reference, first, second))
    _checked(reference, first, second)
    if sources is not None and not len(np.asarray(sources)) == len(first) == len(second):
        raise ValueError("sources name the subject of every row of two sets of equal length")
    plain, drawn = _bootstrapped(reference, subjects, (first, second), rng, sources)
    value = 2.0 * plain - drawn.mean(axis=0)
    around = value - (drawn - drawn.mean(axis=0))
    ratios = np.where(around[:, 1] > 0.0, around[:, 0] / np.where(around[:, 1] > 0.0, around[:, 1], 1.0), np.inf)
    low, high = np.quantile(ratios, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0], method="inverted_cdf")
    return Excess(float(value[0] / value[1]) if value[1] > 0.0 else float("inf"), float(low), float(high))


class ExcessMetric:
    """FID against test in excess of the floor."""

    config = Config
    keys = ("fid_floor", "fid_excess", "fid_excess_lower", "fid_excess_upper")
    needs: tuple[Need, ...] = ()

    def compute(self, sets: FeatureSets, options: Config) -> Mapping[str, Figure]:
        """`fid_floor` is what real people of train and test have among themselves at the sizes of `fid`."""
        excess = fid_excess(sets.test, sets.subjects_test, sets.synthetic, sets.rng("fid excess"))
        sizes = len(sets.test), len(sets.synthetic)
        real, whose = np.concatenate([sets.train, sets.test]), None
        if sets.subjects_train is not None and sets.subjects_test is not None:
            whose = np.concatenate([np.asarray(part).astype(str) for part in (sets.subjects_train, sets.subjects_test)])
        return {
            "fid_floor": real_floor(real, whose, sizes, sets.rng("fid floor")),
            "fid_excess": excess.value,
            "fid_excess_lower": excess.lower,
            "fid_excess_upper": excess.upper,
        }


METRIC = ExcessMetric()
