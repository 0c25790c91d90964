"""Nearly identical images of different subjects: candidates among all pairs, confirmed by a fitted threshold.

Candidates are pairs whose 64-bit perceptual hash (Zauner, 2010) or whose embedding is unusually close; all pairs are
compared, in tiles. A candidate is confirmed by its registered score. The threshold comes from the cohort itself,
because strangers' radiographs resemble each other more in one cohort than in another; how many planted copies it finds
is measured in the same cohort and reported. Legend: n images, D components, m pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...core.seeds import numpy_rng
from .copies import LISTED, TOO_MANY, NearCopies
from .copy_embedding import Embedding, Maps, distinct_maps
from .planted_copies import HASH_RADIUS, PLANTED, planted_recall

FEW_STRANGERS = 20
"""With fewer sampled scores no threshold is fitted and no number of false alarms stated."""
ALIKE = 0.95
"""Median score of so few strangers above which PLAIN does not tell copies from them."""
PLAIN, CERTAIN = 0.97, 0.9999
"""Limits of the threshold of maps that are compared as they are."""
SAMPLE = 2048
"""Images on which the basis and the strangers' similarities are estimated."""
MOST_LEAST = 0.6
"""Largest cosine that a candidate must have; more where many images are copies, which would hide the rest."""
EXPECTED_FALSE = 0.1
"""Images of the whole cohort that the fitted tail allows to be taken for copies of a stranger."""
LOWEST, HIGHEST = 0.80, 0.92
"""Limits of the fitted threshold: below, visits of one person would count; above, copies would be missed."""
SECOND = (2.6926, 1.6783)
"""x for which exp(-x) (1 + x), the chance that the second largest of a Gumbel law is smaller, is 1/4 and 1/2."""
TILE = 2048


def find_near_copies(
    images: np.ndarray, kept: Maps, subjects: np.ndarray, pictures: np.ndarray, examples: int
) -> NearCopies:
    """Pairs of one picture under different subjects.

    `images` uint8 [n, C, S, S], of which `kept` are the maps; `subjects` and `pictures` int64 [n] are equal where the
    subject, or the prepared image, is the same. `examples` is the number of pairs that are shown.
    """
    order = numpy_rng("duplicates").permutation(len(subjects))
    # two samples, since vectors of images that shaped the basis are a little less alike
    first, sample = order[:SAMPLE], np.sort(order[-SAMPLE:])
    embed = Embedding(distinct_maps(kept.maps[first], subjects[first]))
    vectors = embed.packed(kept.maps)
    strangers, least = _strangers(embed, kept.maps, vectors, subjects, pictures, sample)
    threshold, expected_false = fit_threshold(strangers, len(subjects), plain=embed.basis is None)
    pairs, complete = _candidates(vectors, kept.bits, subjects, pictures, least)
    scores = embed.registered(kept.maps[pairs[:, 0]], kept.maps[pairs[:, 1]]) if len(pairs) else np.zeros(0)
    confirmed = np.flatnonzero(scores >= threshold)
    planted = sample[:: max(1, len(sample) // PLANTED)][:PLANTED]
    recall = planted_recall(images, kept, embed, vectors, planted, least, threshold)
    typical = float(np.median(strangers)) if len(strangers) else 0.0
    too_alike = typical > ALIKE if expected_false is None else expected_false > TOO_MANY * len(subjects)
    if too_alike:
        confirmed = confirmed[:0]
    found = pairs[confirmed[np.lexsort((pairs[confirmed, 1], pairs[confirmed, 0], -scores[confirmed]))]]
    listed = tuple((int(one), int(other)) for one, other in found[:LISTED])
    return NearCopies(
        pairs=len(found),
        images=len(np.unique(found)),
        examples=listed[:examples],
        listed=listed,
        links=tuple((int(one), int(other)) for one, other in found),
        threshold=threshold,
        expected_false=expected_false,
        strangers=typical,
        recall=recall,
        planted=len(planted),
        candidates=len(pairs),
        complete=complete or 2 * len(confirmed) < len(pairs),
        too_alike=too_alike,
    )


def _strangers(
    embed: Embedding,
    maps: np.ndarray,
    vectors: np.ndarray,
    subjects: np.ndarray,
    pictures: np.ndarray,
    sample: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Registered scores of sampled images with their second most similar strangers; the least cosine of a candidate.

    The most similar one may be a copy. Exact copies are left out, of the image and of the most similar one. A cosine
    that 2 pairs in (n - 1) exceed leaves about n candidates in n (n - 1) / 2 pairs.
    """
    n, high, nearest, cosine = len(subjects), [], [], []
    step = max(1, TILE * TILE // n)
    for start in range(0, len(sample), step):
        rows = sample[start : start + step]
        block = vectors[rows] @ vectors.T
        block[(subjects[rows, None] == subjects) | (pictures[rows, None] == pictures)] = -1.0
        cut = max(block.size - 2 * len(rows), 0)
        high.append(np.partition(block, cut, axis=None)[cut:])
        block[pictures[block.argmax(axis=1), None] == pictures] = -1.0
        nearest.append(block.argmax(axis=1))
        cosine.append(block.max(axis=1))
    usable = np.concatenate(cosine) > -1.0
    rows, others = sample[usable], np.concatenate(nearest)[usable]
    top = np.sort(np.concatenate(high))[-2 * len(sample) :]
    return embed.registered(maps[rows], maps[others]), float(np.clip(top[0], -0.5, MOST_LEAST))


def fit_threshold(strangers: np.ndarray, n: int, *, plain: bool = False) -> tuple[float, float | None]:
    """The least score of a copy, and the expected number of `n` images whose most similar stranger reaches it.

    `strangers` [k] are scores of sampled images with their second most similar stranger, which is a stranger still
    where the first is a copy. In Fisher's transform the first and the second are taken to be the two largest of a
    Gumbel law; its place and scale follow from lower quartile and median of the second, so that half of the images may
    have one copy each, a quarter several, without moving the fit much. Clipped to LOWEST .. HIGHEST; `plain` maps,
    whose scores fall off faster beyond their median, have two thirds of the scale (more of few, whose quartiles are
    uncertain) and PLAIN .. CERTAIN. Fewer than FEW_STRANGERS give HIGHEST or PLAIN, and None.
    """
    if len(strangers) < FEW_STRANGERS:
        return PLAIN if plain else HIGHEST, None
    least, most = (PLAIN, CERTAIN) if plain else (LOWEST, HIGHEST)
    lower, middle = (float(z) for z in np.arctanh(np.quantile(np.clip(strangers, -CERTAIN, CERTAIN), (0.25, 0.5))))
    scale = (middle - lower) / math.log(SECOND[0] / SECOND[1])
    scale = max(scale * 2 / 3 * (1 + 10 / len(strangers)) if plain else scale, 1e-3)
    place = middle + scale * math.log(SECOND[1])
    threshold = min(max(math.tanh(place + scale * math.log(max(n / EXPECTED_FALSE, 1.0))), least), most)
    expected = -n * math.expm1(-math.exp(min((place - math.atanh(threshold)) / scale, 30.0)))
    return threshold, expected


def _candidates(
    vectors: np.ndarray, bits: np.ndarray, subjects: np.ndarray, pictures: np.ndarray, least: float
) -> tuple[np.ndarray, bool]:
    """Pairs int64 [m, 2] of different subjects and pictures, the best 2 n by each measure; whether that is all."""
    n = len(subjects)
    by_cosine, by_hash = _Best(2 * n), _Best(2 * n)
    for rows, columns in _tiles(n):
        cosine = vectors[rows] @ vectors[columns].T
        # with bits as -1 and 1 the product of two hashes is 64 less twice their distance
        agreement = _signs(bits[rows]) @ _signs(bits[columns]).T
        for best, values, limit in ((by_cosine, cosine, least), (by_hash, agreement, 63.5 - 2 * HASH_RADIUS)):
            one, other = np.divmod(np.flatnonzero(values > limit), values.shape[1])
            value, one, other = values[one, other], one + rows.start, other + columns.start
            valid = (one < other) & (subjects[one] != subjects[other]) & (pictures[one] != pictures[other])
            best.add(one[valid], other[valid], value[valid])
    both = np.concatenate([by_cosine.pairs(), by_hash.pairs()])
    return np.unique(both, axis=0), by_cosine.complete and by_hash.complete


def _tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """Tiles of the upper triangle of an n x n matrix."""
    for top in range(0, n, TILE):
        for left in range(top, n, TILE):
            yield slice(top, min(top + TILE, n)), slice(left, min(left + TILE, n))


def _signs(bits: np.ndarray) -> np.ndarray:
    return np.where(bits, np.float32(1), np.float32(-1))


class _Best:
    """The `size` pairs of the highest value among all that are added; bounded memory."""

    def __init__(self, size: int) -> None:
        self.size, self.held, self.complete = size, 0, True
        self.chunks: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, one: np.ndarray, other: np.ndarray, value: np.ndarray) -> None:
        self.chunks.append((one, other, value))
        self.held += len(one)
        if self.held > 4 * self.size + TILE:
            self._trim()

    def _trim(self) -> None:
        one, other, value = (np.concatenate(chunk) for chunk in zip(*self.chunks, strict=True))
        confirmed = np.argsort(-value, kind="stable")[: self.size]
        self.complete &= len(confirmed) == len(value)
        self.chunks, self.held = [(one[confirmed], other[confirmed], value[confirmed])], len(confirmed)

    def pairs(self) -> np.ndarray:
        """int64 [m, 2]."""
        if not self.chunks:
            return np.empty((0, 2), dtype=np.int64)
        self._trim()
        return np.stack(self.chunks[0][:2], axis=1).astype(np.int64)
