"""Strokes as of letters, and the crowds they stand in: the first look of the search for burned-in text.

Strokes are looked for plane by plane, so that each stays in the processor's caches; crowds in all planes of some
pictures at once, on one sheet of tiles, for that costs about the same for one plane as for thirty. Legend: h, w sides
of a plane.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

import numpy as np

REACH = 3
"""Distance of the neighbours that a stroke stands out from, pixels; strokes may be up to 4 pixels wide."""

TILE = 8
STROKES, UPRIGHT_STROKES = 8, 28
"""Fewest stroke pixels in a crowd, and in one of which upright lines are looked for: most anatomy is upright."""

LONGEST_SIDE, SHORTEST_SIDE = 10, 4
"""Least sides of the box around a crowd."""

MIXED, UPRIGHT_MIXED = 0.05, 0.2
"""Least share of strokes across, and of strokes down: letters have both, ribs, edges and catheters mostly one."""

UPRIGHT_RATIO, UPRIGHT_SIDE = 1.8, 128
"""Least height over width of a crowd of which upright lines are looked for, and least side of its plane."""

DENSITY = 0.05
"""Least share of stroke pixels in the box around a crowd; lines of text have 0.1 and more, an outline has less."""

MOST_CROWDS = 8
"""Crowds that are examined, largest first, in each look: a textured image costs a bounded time."""

_EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Plane:
    """What is looked at: contiguous uint8 [h, w], the least height of a stroke in it, and its picture's number."""

    pixels: np.ndarray
    step: int
    owner: int


@dataclass(frozen=True)
class Look:
    """Strokes of one polarity in one plane: sorted flat indices int64."""

    plane: Plane
    spots: np.ndarray
    bright: bool


@dataclass(frozen=True)
class Crowd:
    """Strokes that stand together: the look, the box around them, their rows and columns in the plane, and whether
    level and upright lines are looked for."""

    look: Look
    top: int
    bottom: int
    left: int
    right: int
    down: np.ndarray
    across: np.ndarray
    level: bool
    turned: bool


def strokes(plane: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Bright and dark strokes of contiguous uint8 [h, w], as sorted flat indices int64.

    A pixel that differs from both neighbours at REACH, across or down, by more than `step`; the outermost REACH pixels
    have no such neighbours. Rows follow each other in memory, so one shift of the whole plane serves all of them; what
    it finds across their ends is dropped.
    """
    flat, width = plane.ravel(), plane.shape[1]
    edge, least = REACH * width, np.uint8(step)
    inner = flat[edge:-edge]
    left, right = flat[edge - REACH : -edge - REACH], flat[edge + REACH : len(flat) - edge + REACH]
    above, below = flat[: -2 * edge], flat[2 * edge :]
    first, second = np.maximum(left, right), np.maximum(above, below)
    np.minimum(first, second, out=first)
    np.maximum(first, inner, out=second)
    second -= first
    bright = second
    second = np.minimum(above, below)
    np.minimum(left, right, out=first)
    np.maximum(first, second, out=first)
    np.minimum(first, inner, out=second)
    first -= second
    dark = first
    # strokes are few: both kinds are picked out in one go, and told apart where they are
    spots = (np.maximum(bright, dark, out=second) > least).nonzero()[0]
    across = spots % width
    spots = spots[(across >= REACH) & (across < width - REACH)]
    return spots[bright[spots] > least] + edge, spots[dark[spots] > least] + edge


def looks(plane: Plane) -> list[Look]:
    """Both polarities of a plane."""
    bright, dark = strokes(plane.pixels, plane.step)
    return [Look(plane, bright, True), Look(plane, dark, False)]


def crowds(found: Sequence[Look]) -> Iterator[Crowd]:
    """The crowds of all looks that are dense and wide enough for a row of glyphs, look by look, largest first.

    The tiles of all looks stand on one sheet, a blank row between them; neighbouring tiles with strokes are one crowd.
    """
    from scipy import ndimage

    some = [look for look in found if len(look.spots) >= STROKES]
    if not some:
        return
    shapes = np.array([look.plane.pixels.shape for look in some])
    owner = np.repeat(np.arange(len(some)), [len(look.spots) for look in some])
    spots = np.concatenate([look.spots for look in some])
    down, across = np.divmod(spots, shapes[owner, 1])
    rows = -(-shapes[:, 0] // TILE) + 1
    at = down // TILE + (np.cumsum(rows) - rows)[owner], across // TILE
    sheet = np.zeros((rows.sum(), shapes[:, 1].max() // TILE + 1), dtype=bool)
    sheet[at] = True
    labels, count = ndimage.label(sheet, _EIGHT)
    crowd = labels[at]
    large = np.bincount(crowd, minlength=count + 1) >= STROKES
    kept = np.flatnonzero(large[crowd])
    if not len(kept):
        return
    kept = kept[np.argsort(crowd[kept], kind="stable")]
    down, across, crowd, owner = down[kept], across[kept], crowd[kept], owner[kept]
    first = np.flatnonzero(np.diff(crowd, prepend=-1))
    boxes = _Boxes(down, across, first, np.diff(first, append=len(crowd)))
    level, turned = boxes.shaped()
    turned &= shapes.min(axis=1)[owner[first]] >= UPRIGHT_SIDE
    # few are left whose strokes are worth a look
    likely: dict[int, list[tuple[int, Crowd]]] = {}
    for i in np.flatnonzero(level | turned).tolist():
        members, look = slice(first[i], first[i] + boxes.sizes[i]), some[owner[first[i]]]
        mixed = _mixed(look, down[members], across[members])
        crowd_of = Crowd(
            look,
            *boxes.of(i),
            down[members],
            across[members],
            bool(level[i] and mixed >= MIXED),
            bool(turned[i] and mixed >= UPRIGHT_MIXED),
        )
        if crowd_of.level or crowd_of.turned:
            likely.setdefault(int(owner[first[i]]), []).append((-int(boxes.sizes[i]), crowd_of))
    for alike in likely.values():
        yield from (crowd for _, crowd in islice(sorted(alike, key=itemgetter(0)), MOST_CROWDS))


def _mixed(look: Look, down: np.ndarray, across: np.ndarray) -> float:
    """The lesser share of strokes, given by row and column, that stand out more across than down, or the reverse."""
    flat, width = look.plane.pixels.ravel(), look.plane.pixels.shape[1]
    at = down * width + across
    left, right, above, below = flat[at + np.array([[-REACH], [REACH], [-REACH * width], [REACH * width]])]
    if look.bright:
        upright = np.maximum(left, right) <= np.maximum(above, below)
    else:
        upright = np.minimum(left, right) >= np.minimum(above, below)
    share = np.count_nonzero(upright) / len(at)
    return min(share, 1 - share)


class _Boxes:
    """Boxes around crowds of strokes, given where each crowd begins among the sorted strokes and how many it has."""

    def __init__(self, down: np.ndarray, across: np.ndarray, first: np.ndarray, sizes: np.ndarray) -> None:
        self.first, self.sizes = first, sizes
        self.top, self.bottom = np.minimum.reduceat(down, first), np.maximum.reduceat(down, first) + 1
        self.left, self.right = np.minimum.reduceat(across, first), np.maximum.reduceat(across, first) + 1

    def of(self, i: int) -> tuple[int, int, int, int]:
        """Top, bottom, left and right of one."""
        return int(self.top[i]), int(self.bottom[i]), int(self.left[i]), int(self.right[i])

    def shaped(self) -> tuple[np.ndarray, np.ndarray]:
        """Which crowds have the shape of level lines, and which that of upright ones."""
        height, width, sizes = self.bottom - self.top, self.right - self.left, self.sizes
        dense = (sizes >= DENSITY * height * width) & (np.minimum(height, width) >= SHORTEST_SIDE)
        ratio = np.where(sizes < 8 * STROKES, 1.2, 0.0)
        level = dense & (width >= np.maximum(LONGEST_SIDE, ratio * height))
        turned = dense & (sizes >= UPRIGHT_STROKES) & (height >= UPRIGHT_RATIO * width)
        return level, turned
