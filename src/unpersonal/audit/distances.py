"""Distances between predicates' centres and subjects: a subject is as near as the nearest of its images.

Shapes: p predicates, n images, S subjects, k components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .spaces import Space

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")
CHUNK = 4096


def frozen(value: D) -> D:
    """A dataclass with arrays that cannot be written to: several attacks are handed the same one."""
    arrays = {item.name: getattr(value, item.name) for item in fields(value)}
    arrays = {name: array.view() for name, array in arrays.items() if isinstance(array, np.ndarray)}
    for array in arrays.values():
        array.flags.writeable = False
    return replace(value, **arrays)


@dataclass(frozen=True)
class EmbeddedSubjects:
    """Embedded images of a set of subjects, sorted by subject.

    `points` float32 [n, k], or [n, ...] of another comparison than distances; `starts` int64 [S] = first row of each
    subject; `rows` int64 [n] = position of each sorted row in the images as they were given; `names` str [S], sorted.
    """

    points: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    names: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def images_per_subject(self) -> np.ndarray:
        """Number of images of every subject, int64 [S]."""
        return np.diff(np.append(self.starts, len(self.points)))


def group(points: np.ndarray, subjects: np.ndarray) -> EmbeddedSubjects:
    """Sort embedded images [n, k] (or [n, ...]) by subject [n]."""
    names, codes = np.unique(np.asarray(subjects).astype(str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names)))
    arrays = np.ascontiguousarray(points[order]), starts.astype(np.int64), order.astype(np.int64), names
    return frozen(EmbeddedSubjects(*arrays))


def embed(space: Space, images: np.ndarray, subjects: np.ndarray) -> EmbeddedSubjects:
    """Images uint8 [n,C,H,W] of `subjects` str [n] in a space."""
    return group(space.embed(images), subjects)


def distances(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Euclidean distances float32 [p, n].

    |c|² + |x|² - 2c·x loses digits where c ≈ x, which is where a copy is; after moving the origin into the data
    the loss stays below 1e-3 of a typical distance.
    """
    if len(centres) == 0:
        return np.empty((0, len(points)), dtype=np.float32)
    origin = centres.mean(axis=0)
    a, b = centres - origin, points - origin
    squared = np.einsum("pk,pk->p", a, a)[:, None] + np.einsum("nk,nk->n", b, b)[None, :] - 2.0 * (a @ b.T)
    found: np.ndarray = np.sqrt(np.maximum(squared, 0.0))
    return found


def by_subject(centres: np.ndarray, embedded: EmbeddedSubjects) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first subject, distances float32 [p, subjects of the chunk]) over chunks of whole subjects."""
    return subject_minima(partial(distances, centres), embedded)


def subject_minima(
    compare: Callable[[np.ndarray], np.ndarray], embedded: EmbeddedSubjects
) -> Iterator[tuple[int, np.ndarray]]:
    """As `by_subject`, where `compare` gives the distances [p, n] of some of the points [n, ...]."""
    first = 0
    while first < len(embedded):
        begin = int(embedded.starts[first])
        last = max(int(np.searchsorted(embedded.starts, begin + CHUNK, side="right")) - 1, first + 1)
        end = int(embedded.starts[last]) if last < len(embedded) else len(embedded.points)
        block = compare(embedded.points[begin:end])
        yield first, np.minimum.reduceat(block, embedded.starts[first:last] - begin, axis=1)
        first = last


def subject_distances(centres: np.ndarray, embedded: EmbeddedSubjects) -> np.ndarray:
    """All distances of predicates to subjects, float32 [p, S]."""
    blocks = [block for _, block in by_subject(centres, embedded)]
    return np.concatenate(blocks, axis=1) if blocks else np.empty((len(centres), 0), dtype=np.float32)


def nearest_centre(centres: np.ndarray, embedded: EmbeddedSubjects) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every subject to the nearest centre, float32 [S], and which centre that is, int64 [S]."""
    value = np.empty(len(embedded), dtype=np.float32)
    which = np.empty(len(embedded), dtype=np.int64)
    for first, block in by_subject(centres, embedded):
        best = block.argmin(axis=0)
        which[first : first + block.shape[1]] = best
        value[first : first + block.shape[1]] = block[best, np.arange(block.shape[1])]
    return value, which


@dataclass(frozen=True)
class Hits:
    """Which subjects satisfy which predicates, as pairs sorted by predicate: `predicate` and `subject` int64 [H].

    `predicates` is the number of predicates, those without a hit included.
    """

    predicate: np.ndarray
    subject: np.ndarray
    predicates: int


def sorted_hits(predicate: np.ndarray, subject: np.ndarray, predicates: int) -> Hits:
    """Hits out of unsorted pairs."""
    order = np.lexsort((subject, predicate))
    return frozen(Hits(predicate[order].astype(np.int64), subject[order].astype(np.int64), predicates))


def find_hits(centres: np.ndarray, embedded: EmbeddedSubjects, radii: list[np.ndarray]) -> list[Hits]:
    """For each array of radii [p]: the subjects within that radius of each centre."""
    pairs: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in radii]
    for first, block in by_subject(centres, embedded):
        for found, radius in zip(pairs, radii, strict=True):
            predicate, subject = np.nonzero(block <= radius[:, None])
            found.append((predicate, subject + first))
    return [
        sorted_hits(np.concatenate([p for p, _ in found]), np.concatenate([s for _, s in found]), len(centres))
        for found in pairs
    ]
