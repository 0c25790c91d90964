"""Copies of one image within and, worse, across subjects: exact ones by content, near ones by hash and embedding.

Near copies are looked for across subjects only. Memory beyond the images is about 1.7 kB an image. Time grows with n²
(all pairs are compared) and with the number of candidates, about n and at most 4 n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from .copies import LISTED, Duplicates, ExactCopies
from .copy_embedding import read_maps
from .near_copies import find_near_copies


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
    numbered = _codes(subjects)
    kept = read_maps(images, pixels is None, advance)
    pictures = _codes(pixels if pixels is not None else kept.digests)
    files = _codes(contents)
    within, across = _exact(pictures, numbered, examples)
    near = find_near_copies(images, kept, numbered, pictures, examples) if len(np.unique(numbered)) > 1 else None
    same_file = np.bincount(files, minlength=1)[files] > 1
    same_picture = np.bincount(pictures, minlength=1)[pictures] > 1
    return Duplicates(n, within, across, near, int((same_file & same_picture).sum()))


def _codes(names: Sequence[str] | np.ndarray) -> np.ndarray:
    """int64 [n], equal where the names are."""
    order: dict[str, int] = {}
    return np.fromiter((order.setdefault(str(name), len(order)) for name in names), np.int64, len(names))


def _exact(pictures: np.ndarray, subjects: np.ndarray, examples: int) -> tuple[ExactCopies, ExactCopies]:
    """Exact copies within one subject, and groups that hold several subjects."""
    order = np.argsort(pictures, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(pictures[order])) + 1) if len(order) else []
    kinds = []
    for crossing in (False, True):
        found, pairs = [], 0
        listed: list[tuple[int, int]] = []
        links: list[tuple[int, int]] = []
        for group in (group for group in groups if len(group) > 1):
            _, sizes = np.unique(subjects[group], return_counts=True)
            same = int((sizes * (sizes - 1) // 2).sum())
            here = len(group) * (len(group) - 1) // 2 - same if crossing else same
            if here:
                found.append(group)
                links += zip(group[:-1].tolist(), group[1:].tolist(), strict=True)
                pairs += here
                several = combinations(group.tolist(), 2) if len(listed) < LISTED else ()
                for one, other in several:
                    if (subjects[one] != subjects[other]) == crossing and len(listed) < LISTED:
                        listed.append((one, other))
        shown = tuple(tuple(group.tolist()) for group in found[:examples])
        kinds.append(ExactCopies(len(found), pairs, sum(map(len, found)), shown, tuple(listed), tuple(links)))
    return kinds[0], kinds[1]
