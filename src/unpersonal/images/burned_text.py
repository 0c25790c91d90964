"""Text burned into pixels: looks for rows of glyph-like strokes. Nothing is read, nothing is removed.

A stroke is a pixel that stands out by a quarter of the image's range from both of its neighbours three pixels away,
across or down, brighter or darker; on two scales, so that thin and bold glyphs count. Where strokes crowd, the picture
is cut midway between stroke and ground; the pieces are glyphs if they are small, and text if several of like height
stand in a row, or if one long piece is crossed often enough to be several that touch. A single marker such as R or L
is no text; nor are glyphs lower than a hundredth of the image's side. Legend: C channels, H rows, W columns; h, w
those of a bounded copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from .text_strokes import REACH, Crowd, Look, Plane, crowds, looks

LARGEST = 512
"""Largest side that is looked at; a larger image is taken at every second, third … pixel."""

SMALL = 300
"""Sides below which the halved copy is left out: letters bold enough to need it are a tenth of the image high there."""

CONTRAST = 0.25
"""Least height of a stroke above its ground, as a share of the image's range."""

HEIGHTS = (5, 48)
"""Heights of a glyph, pixels of the copy."""

MARGIN = 0.25
"""Share of the sides that counts as the border; a row farther inside counts two thirds."""

GLYPHS = 2.0
"""Score from which an image counts as carrying text: two glyphs in a row near the border, three inside."""

TOUCHING = 1.6
"""Strokes that one row of pixels crosses in a glyph, on average: 1 in an I, 2 in an H, 3 in an M."""


_EIGHT = np.ones((3, 3), dtype=bool)


def text_score(pixels: np.ndarray) -> float:
    """Glyphs in the longest row found in `pixels` uint8 or uint16 [C, H, W]; 0 without one.

    A row whose centre is not near the border counts two thirds of its glyphs.
    """
    return text_scores([pixels])[0]


def text_scores(pictures: Sequence[np.ndarray]) -> list[float]:
    """`text_score` of each of some pictures; many small ones take less time together."""
    found: list[Look] = []
    for owner, pixels in enumerate(pictures):
        for plane in _planes(pixels, owner):
            found += looks(plane)
            if min(plane.pixels.shape) >= SMALL:
                found += looks(replace(plane, pixels=np.ascontiguousarray(plane.pixels[::2, ::2])))
    scores = [0.0] * len(pictures)
    for crowd in crowds(found):
        owner = crowd.look.plane.owner
        scores[owner] = max(scores[owner], _longest_row(crowd))
    return scores


def _planes(pixels: np.ndarray, owner: int) -> Iterator[Plane]:
    """The bounded grey planes of a picture that are worth a look, as uint8."""
    for plane in _grey_planes(pixels):
        low, high = int(plane.min()), int(plane.max())
        if high - low < 8 or min(plane.shape) <= 4 * REACH:
            continue
        if plane.dtype != np.uint8:
            plane = ((plane - np.asarray(low, plane.dtype)) * np.float32(255 / (high - low))).astype(np.uint8)
            low, high = 0, 255
        yield Plane(plane, max(4, int(CONTRAST * (high - low))), owner)


def _grey_planes(pixels: np.ndarray) -> list[np.ndarray]:
    """Bounded grey planes [h, w]: one, or the brightest and the darkest channel where they differ."""
    stride = -(-max(pixels.shape[1:]) // LARGEST)
    copy = np.ascontiguousarray(pixels[:, ::stride, ::stride])
    if len(copy) == 1 or all(np.array_equal(channel, copy[0]) for channel in copy[1:]):
        return [copy[0]]
    return [copy.max(axis=0), copy.min(axis=0)]


def _longest_row(crowd: Crowd) -> float:
    """Weighted length of the longest row of glyphs in a crowd, level or upright."""
    rows = slice(max(0, crowd.top - REACH), crowd.bottom + REACH)
    columns = slice(max(0, crowd.left - REACH), crowd.right + REACH)
    plane = crowd.look.plane.pixels
    part = plane[rows, columns] if crowd.look.bright else ~plane[rows, columns]
    marked = np.zeros(part.shape, dtype=bool)
    marked[crowd.down - rows.start, crowd.across - columns.start] = True
    best = 0.0
    for turned in [False] * crowd.level + [True] * crowd.turned:
        length, middle = _row_in(part.T, marked.T) if turned else _row_in(part, marked)
        down, across = middle[::-1] if turned else middle
        places = (down + rows.start) / plane.shape[0], (across + columns.start) / plane.shape[1]
        inside = all(MARGIN < place < 1 - MARGIN for place in places)
        best = max(best, length * (2 / 3 if inside else 1.0))
    return best


def _row_in(part: np.ndarray, marked: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Glyphs in the longest row of one part of a plane, uint8 and bool [a, b], and the middle of that row."""
    from scipy import ndimage

    ink = part > _midway(part, marked)
    pieces, count = ndimage.label(ink, _EIGHT)
    touched = np.bincount(pieces[marked], minlength=count + 1)
    filled = np.bincount(pieces.ravel(), minlength=count + 1)
    # a piece that is high enough has as many pixels at least: most are left before any box is asked for
    mostly = (3 * touched >= filled) & (filled >= HEIGHTS[0])
    mostly[0] = False
    some = mostly.nonzero()[0]
    best, middle = 0.0, (0.0, 0.0)
    if not len(some):
        return best, middle
    places = ndimage.find_objects(pieces)
    boxes = np.array([(r.start, r.stop, c.start, c.stop) for r, c in map(places.__getitem__, some - 1)])
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    likely = (height >= HEIGHTS[0]) & (height <= HEIGHTS[1])
    wide = width > 1.5 * height
    for row in (likely & wide).nonzero()[0]:
        top, bottom, left, right = boxes[row]
        most = float(width[row] / (0.5 * height[row]))
        if most > best and (several := min(_crossings(ink[top:bottom, left:right]) / TOUCHING, most)) > best:
            best, middle = several, ((top + bottom) / 2, (left + right) / 2)
    glyphs = boxes[likely & ~wide]
    if len(glyphs) > best:
        run = longest_run(glyphs) if len(glyphs) > 1 else np.zeros(1, dtype=np.int64)
        if len(run) > best:
            best, middle = float(len(run)), (glyphs[run, :2].mean(), glyphs[run, 2:].mean())
    return best, middle


def _midway(part: np.ndarray, marked: np.ndarray) -> int:
    """The grey level midway between the upper medians of the marked pixels and of the others; 0 is that of nothing."""
    counts = np.bincount(part[marked], minlength=256)
    others = np.bincount(part.ravel(), minlength=256) - counts
    return (_median(counts) + _median(others)) // 2


def _median(counts: np.ndarray) -> int:
    """The upper median of values of which there are `counts`; 0 of nothing. Counting takes a third of sorting."""
    below = counts.cumsum()
    return int(below.searchsorted(below[-1] // 2, side="right")) if below[-1] else 0


def _crossings(ink: np.ndarray) -> float:
    """Strokes that the median row of bool [a, b] crosses."""
    crossed = np.sort(ink[:, 0] + (ink[:, 1:] & ~ink[:, :-1]).sum(axis=1))
    return float(crossed[(len(crossed) - 1) // 2] + crossed[len(crossed) // 2]) / 2


def longest_run(boxes: np.ndarray) -> np.ndarray:
    """Row numbers of the longest line of like boxes among int [k, 4] (top, bottom, left, right).

    A line is read off each box in turn: boxes of 0.6 to 1.6 times its height, whose centre lies within 0.35 of it, none
    farther from the next than 1.2 times.
    """
    height = (boxes[:, 1] - boxes[:, 0]).astype(float)
    middle = (boxes[:, 0] + boxes[:, 1]) / 2
    best = np.zeros(0, dtype=np.int64)
    for i in range(len(boxes)):
        like = (height >= 0.6 * height[i]) & (height <= 1.6 * height[i])
        line = (like & (np.abs(middle - middle[i]) <= 0.35 * height[i])).nonzero()[0]
        if len(line) <= len(best):
            continue
        line = line[np.argsort(boxes[line, 2], kind="stable")]
        gaps = boxes[line[1:], 2] - boxes[line[:-1], 3]
        for run in np.split(line, np.flatnonzero(gaps > 1.2 * height[i]) + 1):
            if i in run and len(run) > len(best):
                best = run
    return best
