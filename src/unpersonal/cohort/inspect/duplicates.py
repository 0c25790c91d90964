"""Copies of one image within and, worse, across subjects: exact ones by content, near ones by hash and embedding.

Near copies are looked for across subjects only. Candidates are pairs whose 64-bit perceptual hash (Zauner, 2010) or
whose embedding (local-contrast map, whitened by PCA, unit length) is unusually close; all pairs are compared, in tiles.
A candidate is confirmed by its registered score: the largest cosine of the two embeddings while either image is zoomed
in by up to 3 %. The threshold comes from the cohort itself, because strangers' radiographs resemble each other more
in one cohort than in another; how many planted copies it finds is measured in the same cohort and reported.

Legend: n images, D components, m pairs; maps float32 [n, 32, 32]. Memory beyond the images is about 1.7 kB an image.
Time grows with n² (all pairs are compared) and with the number of candidates, about n and at most 4 n.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np

from ...core.seeds import numpy_rng
from ...metrics.copies import SIDE, contrast_maps
from ...metrics.intervals import clopper_pearson_lower

DIMENSIONS = 128
"""Most components of the embedding; a quarter of the images if that is fewer, so that copies cannot shape it."""

FEW_IMAGES = 120
"""With fewer images there is no basis worth fitting; maps are then compared as they are, against PLAIN."""

FEW_STRANGERS = 20
"""With fewer sampled scores no threshold is fitted and no number of false alarms stated."""

ALIKE = 0.95
"""Median score of so few strangers above which PLAIN does not tell copies from them."""

PLAIN, CERTAIN = 0.97, 0.9999
"""Limits of the threshold of maps that are compared as they are."""

RIDGE = 0.5
"""Added to the variances before whitening, in units of their mean over all 1,024 directions: keeps noise small."""

SAMPLE = 2048
"""Images on which the basis and the strangers' similarities are estimated."""

HASH_RADIUS = 4
"""Bits of 64 by which the hashes of a candidate pair may differ."""

MOST_LEAST = 0.6
"""Largest cosine that a candidate must have; more where many images are copies, which would hide the rest."""

REDUNDANT = 0.95
"""Correlation of two maps above which only the first helps to fit the basis."""

EXPECTED_FALSE = 0.1
"""Images of the whole cohort that the fitted tail allows to be taken for copies of a stranger."""

LOWEST, HIGHEST = 0.80, 0.92
"""Limits of the fitted threshold: below, visits of one person would count; above, copies would be missed."""

SECOND = (2.6926, 1.6783)
"""x for which exp(-x) (1 + x), the chance that the second largest of a Gumbel law is smaller, is 1/4 and 1/2."""

ZOOMS = ((1.015, (-1.0, 0.0, 1.0)), (1.03, (-1.0, -0.5, 0.0, 0.5, 1.0)))
"""Zooms of the registration, along each axis on its own, and where in the picture each holds still (-1 to 1)."""

TOO_MANY = 1 / 3
"""Share of the images that may look like copies of a stranger by chance; if more do, no pair means anything."""

PLANTED = 128
"""Images of which copies are planted to measure the recall, and the largest side of the planted copies, pixels."""

TILE, CHUNK = 2048, 512
LISTED = 1000
MAP_SCALE = 32.0  # maps are kept as int8; their values are about 1, the largest about 4

CANNOT_SEE = (
    "copies that were mirrored, rotated, cropped by more than about 3 % or zoomed; parts of an image; "
    "other images of the same person under another name; pictures that differ only in detail below 1/32 of the side; "
    "altered copies of one image that make up most of a cohort"
)


@dataclass(frozen=True)
class ExactCopies:
    """Groups of images with the same prepared pixels, the pairs of interest in them, and the images involved."""

    groups: int
    pairs: int
    images: int
    examples: tuple[tuple[int, ...], ...]
    """Row numbers of the first groups; for the owner's eyes."""
    listed: tuple[tuple[int, int], ...]
    """Row numbers of the pairs, at most 1,000."""


@dataclass(frozen=True)
class NearCopies:
    """Pairs of different subjects that are one picture up to re-encoding, size, brightness, noise or a slight crop."""

    pairs: int
    images: int
    examples: tuple[tuple[int, int], ...]
    """Row numbers of the most similar pairs; for the owner's eyes."""
    listed: tuple[tuple[int, int], ...]
    """Row numbers of the pairs, most similar first, at most 1,000."""
    threshold: float
    """Least registered score of a pair that is reported."""
    expected_false: float | None
    """Images that the fitted tail of strangers' scores lets through by chance, in the cohort; None: too few to say."""
    strangers: float
    """Median registered score of an image and its second most similar stranger."""
    recall: dict[str, float] = field(default_factory=dict)
    """Share of planted copies that would be found, by kind of change."""
    planted: int = 0
    """Copies of each kind that were planted."""
    candidates: int = 0
    """Pairs that were examined closely."""
    complete: bool = True
    """False where more pairs were suspicious than are examined and most were copies: `pairs` is a lower bound."""
    too_alike: bool = False
    """True where most images have a stranger as close as a copy would be: no pair is reported, which says nothing."""

    def found(self, kind: str) -> int:
        """Planted copies of one kind that would be found."""
        return round(self.recall[kind] * self.planted)

    @property
    def worst_kind(self) -> str:
        """The kind of planted copies of which the fewest are found."""
        return min(self.recall, key=self.recall.__getitem__)

    def least_recall(self, kind: str) -> float:
        """One-sided 95 % Clopper-Pearson lower bound of the recall of one kind."""
        return clopper_pearson_lower(self.found(kind), self.planted)


@dataclass(frozen=True)
class Duplicates:
    """What `find_duplicates` found; `CANNOT_SEE` says what its method cannot find."""

    images: int
    within: ExactCopies
    across: ExactCopies
    near: NearCopies | None
    """None where fewer than two subjects leave nothing to compare."""
    identical_files: int
    """Images whose file is byte for byte that of another image; the others were saved anew."""

    def figures(self) -> dict[str, Any]:
        """Aggregates only: no row, no subject."""
        counted: dict[str, Any] = {
            name: {key: getattr(found, key) for key in ("groups", "pairs", "images")}
            for name, found in (("exact_within_subjects", self.within), ("exact_across_subjects", self.across))
        }
        if self.near is not None:
            near = self.near
            counted["near_across_subjects"] = {
                "pairs": near.pairs,
                "images": near.images,
                "complete": near.complete,
                "too_alike": near.too_alike,
                "threshold": round(near.threshold, 4),
                "expected_false": near.expected_false and round(near.expected_false, 4),
                "planted": near.planted,
                "recall": {kind: round(value, 4) for kind, value in near.recall.items()},
            }
        return {**counted, "identical_files": self.identical_files}


def find_duplicates(
    images: np.ndarray,
    subjects: Sequence[str] | np.ndarray,
    contents: Sequence[str],
    pixels: Sequence[str] | None = None,
    *,
    examples: int = 5,
    advance: Callable[[int], None] = lambda _: None,
) -> Duplicates:
    """Exact and near copies in a cohort.

    `images` uint8 [n, C, S, S], S of 8 or more, may be memory-mapped: it is read once, in blocks. `subjects` [n].
    `contents` [n] are digests of the files and `pixels` [n] of the prepared images (computed here if absent). Exact
    copies have the same prepared pixels: frames of one file share a digest and are different pictures. `advance` is
    told the number of images after each block. Deterministic. `ValueError` for shapes that do not fit.
    """
    n = len(subjects)
    if images.ndim != 4 or images.dtype != np.uint8 or min(images.shape[2:], default=0) < 8:
        raise ValueError(f"images must be uint8 [n, C, S, S], S >= 8, not {images.dtype} {images.shape}")
    if not len(images) == n == len(contents) == len(pixels if pixels is not None else contents):
        raise ValueError("images, subjects, contents and pixels differ in length")
    people = _codes(subjects)
    read = _read(images, pixels is None, advance)
    pictures = _codes(pixels if pixels is not None else read.digests)
    files = _codes(contents)
    within, across = _exact(pictures, people, examples)
    near = _near(images, read, people, pictures, examples) if len(np.unique(people)) > 1 else None
    same_file = np.bincount(files, minlength=1)[files] > 1
    same_picture = np.bincount(pictures, minlength=1)[pictures] > 1
    return Duplicates(n, within, across, near, int((same_file & same_picture).sum()))


# exact copies


def _codes(names: Sequence[str] | np.ndarray) -> np.ndarray:
    """int64 [n], equal where the names are."""
    order: dict[str, int] = {}
    return np.fromiter((order.setdefault(str(name), len(order)) for name in names), np.int64, len(names))


def _exact(pictures: np.ndarray, people: np.ndarray, examples: int) -> tuple[ExactCopies, ExactCopies]:
    """Exact copies within one subject, and groups that hold several subjects."""
    order = np.argsort(pictures, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(pictures[order])) + 1) if len(order) else []
    kinds = []
    for crossing in (False, True):
        found, pairs = [], 0
        listed: list[tuple[int, int]] = []
        for group in (group for group in groups if len(group) > 1):
            _, sizes = np.unique(people[group], return_counts=True)
            same = int((sizes * (sizes - 1) // 2).sum())
            here = len(group) * (len(group) - 1) // 2 - same if crossing else same
            if here:
                found.append(group)
                pairs += here
                several = combinations(group.tolist(), 2) if len(listed) < LISTED else ()
                for one, other in several:
                    if (people[one] != people[other]) == crossing and len(listed) < LISTED:
                        listed.append((one, other))
        shown = tuple(tuple(group.tolist()) for group in found[:examples])
        kinds.append(ExactCopies(len(found), pairs, sum(map(len, found)), shown, tuple(listed)))
    return kinds[0], kinds[1]


# hashes, maps and embeddings


@dataclass(frozen=True)
class _Read:
    """What one pass over the images keeps: maps int8 [n, 32, 32], hashes bool [n, 64], digests of the pixels [n]."""

    maps: np.ndarray
    bits: np.ndarray
    digests: list[str]


def _read(images: np.ndarray, digest: bool, advance: Callable[[int], None]) -> _Read:
    n, digests = len(images), []
    maps, bits = np.empty((n, SIDE, SIDE), np.int8), np.empty((n, 64), bool)
    step = max(1, min(CHUNK, 2**23 // math.prod(images.shape[1:])))
    for start in range(0, n, step):
        block = np.ascontiguousarray(images[start : start + step])
        small = thumbnails(block)
        maps[start : start + step] = _pack(contrast_maps(small[:, None]))
        bits[start : start + step] = perceptual_hash(small)
        if digest:
            digests += [blake2b(image, digest_size=16).hexdigest() for image in block]
        advance(len(block))
    return _Read(maps, bits, digests)


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Grey float32 [n, 32, 32] of uint8 [n, C, H, W]: channels averaged, then pixels over equal areas."""
    grey = images[:, 0].astype(np.float32) if images.shape[1] == 1 else images.mean(axis=1, dtype=np.float32)
    return _area(grey.shape[1], SIDE) @ grey @ _area(grey.shape[2], SIDE).T


def _area(size: int, side: int) -> np.ndarray:
    """float32 [side, size]: weights that average `size` pixels over `side` equal stretches."""
    edges, pixel = np.linspace(0.0, size, side + 1), np.arange(size)
    overlap = np.minimum(edges[1:, None], pixel + 1.0) - np.maximum(edges[:-1, None], pixel)
    weights = np.clip(overlap, 0.0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def perceptual_hash(small: np.ndarray) -> np.ndarray:
    """64 bits of each grey float32 [n, 32, 32], bool [n, 64].

    Whether each of the 8 x 8 lowest DCT-II coefficients lies above the median of those without the mean (Zauner,
    Implementation and benchmarking of perceptual image hash functions, 2010, section 3.2).
    """
    waves = np.cos(np.pi / SIDE * (np.arange(SIDE) + 0.5) * np.arange(8)[:, None]).astype(np.float32)
    low = (waves @ small @ waves.T).reshape(-1, 64)
    return low > np.median(low[:, 1:], axis=1, keepdims=True)


def _pack(maps: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(maps * MAP_SCALE), -127, 127).astype(np.int8)


def _distinct(maps: np.ndarray, people: np.ndarray) -> np.ndarray:
    """One map of each subject, without those that resemble an earlier one: copies must not shape the basis."""
    maps = maps[np.unique(people, return_index=True)[1]]
    flat = maps.reshape(len(maps), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return maps[~np.tril(flat @ flat.T > REDUNDANT, -1).any(axis=1)]


class _Embedding:
    """Maps to unit vectors float32 [n, D]: projected on the cohort's principal components, variances made equal."""

    def __init__(self, maps: np.ndarray) -> None:
        flat = maps.reshape(len(maps), -1).astype(np.float32) / MAP_SCALE
        self.mean = flat.mean(axis=0)
        self.basis: np.ndarray | None = None
        if len(maps) < FEW_IMAGES:
            self.mean = np.full_like(self.mean, self.mean.mean())
            return
        centred = flat - self.mean
        variances, directions = np.linalg.eigh(centred.T @ centred / (len(flat) - 1))
        kept = slice(-min(DIMENSIONS, len(maps) // 4), None)
        scale = np.sqrt(np.maximum(variances[kept], 0) + RIDGE * variances.mean() + 1e-12)
        self.basis = (directions[:, kept] / scale).astype(np.float32)

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        flat = maps.reshape(len(maps), -1).astype(np.float32) - self.mean
        flat = flat if self.basis is None else flat @ self.basis
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        return np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-6)

    def packed(self, maps: np.ndarray) -> np.ndarray:
        """The vectors of int8 maps [n, 32, 32]."""
        rows = [self(_unpack(maps[start : start + CHUNK])) for start in range(0, len(maps), CHUNK)]
        return np.concatenate(rows)

    def registered(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Scores float32 [m] of pairs of int8 maps [m, 32, 32]: the largest cosine while either is zoomed in."""
        scores = np.empty(len(one), dtype=np.float32)
        for start in range(0, len(one), CHUNK):
            a, b = _unpack(one[start : start + CHUNK]), _unpack(other[start : start + CHUNK])
            scores[start : start + CHUNK] = np.maximum(self._zoomed(a, b), self._zoomed(b, a))
        return scores

    def _zoomed(self, moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        """Largest cosine over the zooms of `moving`, found one axis at a time: across, down, across again."""
        target, best = self(fixed), np.full(len(moving), -1.0, dtype=np.float32)
        chosen = np.zeros((2, len(moving)), dtype=np.int64)
        for axis in (0, 1, 0):
            for number, zoom in enumerate(_ZOOM_MATRICES):
                down, across = (_ZOOM_MATRICES[chosen[1]], zoom) if axis == 0 else (zoom, _ZOOM_MATRICES[chosen[0]])
                score = (self(down @ moving @ np.swapaxes(across, -1, -2)) * target).sum(axis=1)
                better = score > best
                best[better], chosen[axis, better] = score[better], number
        return best


def _unpack(maps: np.ndarray) -> np.ndarray:
    return maps.astype(np.float32) / np.float32(MAP_SCALE)


def _zoom_matrix(zoom: float, still: float) -> np.ndarray:
    """float32 [32, 32]: linear interpolation along one axis, zoomed in about `still`, -1 to 1."""
    centre = (SIDE - 1) / 2
    position = np.clip((np.arange(SIDE) - centre) / zoom + centre * (1 + still * (1 - 1 / zoom)), 0, SIDE - 1.001)
    left = position.astype(np.int64)
    weights = np.zeros((SIDE, SIDE), dtype=np.float32)
    weights[np.arange(SIDE), left] = 1 - (position - left)
    weights[np.arange(SIDE), left + 1] = position - left
    return weights


_ZOOM_MATRICES = np.stack(
    [np.eye(SIDE, dtype=np.float32), *(_zoom_matrix(zoom, still) for zoom, places in ZOOMS for still in places)]
)


# near copies


def _near(images: np.ndarray, read: _Read, people: np.ndarray, pictures: np.ndarray, examples: int) -> NearCopies:
    order = numpy_rng("duplicates").permutation(len(people))
    # two samples, since vectors of images that shaped the basis are a little less alike
    embed, sample = _Embedding(_distinct(read.maps[order[:SAMPLE]], people[order[:SAMPLE]])), np.sort(order[-SAMPLE:])
    vectors = embed.packed(read.maps)
    strangers, least = _strangers(embed, read.maps, vectors, people, pictures, sample)
    threshold, expected_false = fit_threshold(strangers, len(people), plain=embed.basis is None)
    pairs, complete = _candidates(vectors, read.bits, people, pictures, least)
    scores = embed.registered(read.maps[pairs[:, 0]], read.maps[pairs[:, 1]]) if len(pairs) else np.zeros(0)
    kept = np.flatnonzero(scores >= threshold)
    planted = sample[:: max(1, len(sample) // PLANTED)][:PLANTED]
    recall = _planted_recall(images, read, embed, vectors, planted, least, threshold)
    typical = float(np.median(strangers)) if len(strangers) else 0.0
    too_alike = typical > ALIKE if expected_false is None else expected_false > TOO_MANY * len(people)
    if too_alike:
        kept = kept[:0]
    found = pairs[kept[np.lexsort((pairs[kept, 1], pairs[kept, 0], -scores[kept]))]]
    listed = tuple((int(one), int(other)) for one, other in found[:LISTED])
    return NearCopies(
        pairs=len(found),
        images=len(np.unique(found)),
        examples=listed[:examples],
        listed=listed,
        threshold=threshold,
        expected_false=expected_false,
        strangers=typical,
        recall=recall,
        planted=len(planted),
        candidates=len(pairs),
        complete=complete or 2 * len(kept) < len(pairs),
        too_alike=too_alike,
    )


def _strangers(
    embed: _Embedding,
    maps: np.ndarray,
    vectors: np.ndarray,
    people: np.ndarray,
    pictures: np.ndarray,
    sample: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Registered scores of sampled images with their second most similar strangers; the least cosine of a candidate.

    The most similar one may be a copy. Exact copies are left out, of the image and of the most similar one. A cosine
    that 2 pairs in (n - 1) exceed leaves about n candidates in n (n - 1) / 2 pairs.
    """
    n, high, nearest, cosine = len(people), [], [], []
    step = max(1, TILE * TILE // n)
    for start in range(0, len(sample), step):
        rows = sample[start : start + step]
        block = vectors[rows] @ vectors.T
        block[(people[rows, None] == people) | (pictures[rows, None] == pictures)] = -1.0
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
    vectors: np.ndarray, bits: np.ndarray, people: np.ndarray, pictures: np.ndarray, least: float
) -> tuple[np.ndarray, bool]:
    """Pairs int64 [m, 2] of different subjects and pictures, the best 2 n by each measure; whether that is all."""
    n = len(people)
    by_cosine, by_hash = _Best(2 * n), _Best(2 * n)
    for rows, columns in _tiles(n):
        cosine = vectors[rows] @ vectors[columns].T
        # with bits as -1 and 1 the product of two hashes is 64 less twice their distance
        agreement = _signs(bits[rows]) @ _signs(bits[columns]).T
        for best, values, limit in ((by_cosine, cosine, least), (by_hash, agreement, 63.5 - 2 * HASH_RADIUS)):
            one, other = np.divmod(np.flatnonzero(values > limit), values.shape[1])
            value, one, other = values[one, other], one + rows.start, other + columns.start
            valid = (one < other) & (people[one] != people[other]) & (pictures[one] != pictures[other])
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
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, one: np.ndarray, other: np.ndarray, value: np.ndarray) -> None:
        self.parts.append((one, other, value))
        self.held += len(one)
        if self.held > 4 * self.size + TILE:
            self._trim()

    def _trim(self) -> None:
        one, other, value = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        kept = np.argsort(-value, kind="stable")[: self.size]
        self.complete &= len(kept) == len(value)
        self.parts, self.held = [(one[kept], other[kept], value[kept])], len(kept)

    def pairs(self) -> np.ndarray:
        """int64 [m, 2]."""
        if not self.parts:
            return np.empty((0, 2), dtype=np.int64)
        self._trim()
        return np.stack(self.parts[0][:2], axis=1).astype(np.int64)


# planted copies


def _planted_recall(
    images: np.ndarray,
    read: _Read,
    embed: _Embedding,
    vectors: np.ndarray,
    rows: np.ndarray,
    least: float,
    threshold: float,
) -> dict[str, float]:
    """Share of copies of the images `rows`, altered in each of the ways of `altered`, that the search would report."""
    originals, rng = np.stack([_reduced(images[row]) for row in rows]), numpy_rng("duplicates", "planted")
    recall = {}
    for kind, alter in ALTERATIONS.items():
        small = thumbnails(np.stack([alter(image, rng) for image in originals])[:, None])
        maps = _pack(contrast_maps(small[:, None]))
        close = (embed.packed(maps) * vectors[rows]).sum(axis=1) > least
        close |= (perceptual_hash(small) != read.bits[rows]).sum(axis=1) <= HASH_RADIUS
        recall[kind] = float((close & (embed.registered(maps, read.maps[rows]) >= threshold)).mean())
    return recall


def _reduced(image: np.ndarray) -> np.ndarray:
    """Grey uint8 [H', W'] of uint8 [C, H, W], sides at most PLANTED pixels."""
    grey = image.mean(axis=0, dtype=np.float32)
    height, width = (min(side, PLANTED) for side in grey.shape)
    return np.rint(_area(grey.shape[0], height) @ grey @ _area(grey.shape[1], width).T).astype(np.uint8)


def _re_encoded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=50)
    return np.asarray(Image.open(stream))


def _resized(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    height, width = image.shape
    small = Image.fromarray(image).resize((2 * width // 3, 2 * height // 3), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def _brighter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(image * np.float32(1.15) + 12, 0, 255).astype(np.uint8)


def _flatter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (255 * (image / 255) ** 0.8 * 0.7 + 20).astype(np.uint8)


def _noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(image + rng.normal(0, 8, image.shape)), 0, 255).astype(np.uint8)


def _cropped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    height, width = image.shape
    left, top = rng.random(2) * 0.03 * (width, height)
    box = (left, top, left + 0.97 * width, top + 0.97 * height)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box))


ALTERATIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "re-encoded": _re_encoded,
    "resized": _resized,
    "brighter": _brighter,
    "flatter": _flatter,
    "noisy": _noisy,
    "cropped": _cropped,
}
"""Kinds of planted copies; each takes and gives grey uint8 [H, W]."""
