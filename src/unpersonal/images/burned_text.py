"""Text burned into pixels: looks for rows of glyph-like strokes. Nothing is read, nothing is removed.

A stroke is a pixel that stands out by a quarter of the image's range from both of its neighbours three pixels away,
across or down, brighter or darker; on two scales, so that thin and bold glyphs count. Where strokes crowd, the picture
is cut midway between stroke and ground; the pieces are glyphs if they are small, and text if several of like height
stand in a row, or if one long piece is crossed often enough to be several that touch. A single marker such as R or L
is no text; nor are glyphs lower than a hundredth of the image's side. Legend: C channels, H rows, W columns; h, w
those of a bounded copy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

LARGEST = 512
"""Largest side that is looked at; a larger image is taken at every second, third … pixel."""

REACH = 3
"""Distance of the neighbours that a stroke stands out from, pixels; strokes may be up to 4 pixels wide."""

SMALL = 128
"""Sides below which the halved copy is left out: anatomy is as thin as letters there."""

CONTRAST = 0.25
"""Least height of a stroke above its ground, as a share of the image's range."""

TILE = 8
STROKES = 8
"""Fewest stroke pixels in a crowd."""

HEIGHTS = (5, 48)
"""Heights of a glyph, pixels of the copy."""

MARGIN = 0.25
"""Share of the sides that counts as the border; a row farther inside counts two thirds."""

GLYPHS = 2.0
"""Score from which an image counts as carrying text: two glyphs in a row near the border, three inside."""

DENSITY = 0.05
"""Least share of stroke pixels in the box around a crowd; lines of text have 0.1 and more, an outline has less."""

MOST_CROWDS = 8
"""Crowds that are examined, largest first, on each scale: a textured image costs a bounded time."""

TOUCHING = 1.6
"""Strokes that one row of pixels crosses in a glyph, on average: 1 in an I, 2 in an H, 3 in an M."""


_EIGHT = np.ones((3, 3), dtype=bool)


def text_score(pixels: np.ndarray) -> float:
    """Glyphs in the longest row found in `pixels` uint8 or uint16 [C, H, W]; 0 without one.

    A row whose centre is not near the border counts two thirds of its glyphs.
    """
    best = 0.0
    for plane in _planes(pixels):
        low, high = int(plane.min()), int(plane.max())
        if high - low < 8:
            continue
        if plane.dtype != np.uint8:
            plane = ((plane - np.asarray(low, plane.dtype)) * np.float32(255 / (high - low))).astype(np.uint8)
            low, high = 0, 255
        step = max(4, int(CONTRAST * (high - low)))
        scales = [plane] if min(plane.shape) < SMALL else [plane, np.ascontiguousarray(plane[::2, ::2])]
        for scaled in scales if min(plane.shape) > 4 * REACH else ():
            bright, dark = strokes(scaled, step)
            best = max(best, _longest_row(scaled, bright), _longest_row(~scaled, dark))
    return best


def _planes(pixels: np.ndarray) -> list[np.ndarray]:
    """Bounded grey planes [h, w]: one, or the brightest and the darkest channel where they differ."""
    stride = -(-max(pixels.shape[1:]) // LARGEST)
    copy = np.ascontiguousarray(pixels[:, ::stride, ::stride])
    if len(copy) == 1 or all(np.array_equal(channel, copy[0]) for channel in copy[1:]):
        return [copy[0]]
    return [copy.max(axis=0), copy.min(axis=0)]


def strokes(plane: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Bright and dark strokes of contiguous uint8 [h, w], as sorted flat indices int64.

    A pixel that differs from both neighbours at REACH, across or down, by more than `step`; the outermost REACH pixels
    have no such neighbours. Rows follow each other in memory, so one shift of the whole plane serves all of them; what
    it finds across their ends is dropped.
    """
    flat, width = plane.ravel(), plane.shape[1]
    edge, height = REACH * width, np.uint8(step)
    inner = flat[edge:-edge]
    least, most = np.full_like(inner, height), np.full_like(inner, 255 - step)  # ten times as fast as with a scalar
    left, right = flat[edge - REACH : -edge - REACH], flat[edge + REACH : len(flat) - edge + REACH]
    above, below = flat[: -2 * edge], flat[2 * edge :]
    lighter = np.minimum(np.maximum(left, right), np.maximum(above, below))
    darker = np.maximum(np.minimum(left, right), np.minimum(above, below))
    bright = np.maximum(inner, least) - height > lighter
    dark = np.minimum(inner, most) + height < darker
    both = []
    for marks in (bright, dark):
        spots = np.flatnonzero(marks) + edge
        column = spots % width
        both.append(spots[(column >= REACH) & (column < width - REACH)])
    return both[0], both[1]


def _longest_row(plane: np.ndarray, spots: np.ndarray) -> float:
    """Weighted length of the longest row of bright glyphs, given the strokes' flat indices."""
    if len(spots) < STROKES:
        return 0.0
    best = 0.0
    down, across = np.divmod(spots, plane.shape[1])
    for rows, columns, members in _crowds(plane.shape, down, across):
        marked = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=bool)
        marked[down[members] - rows.start, across[members] - columns.start] = True
        length, middle = _row_in(plane[rows, columns], marked)
        places = (middle[0] + rows.start) / plane.shape[0], (middle[1] + columns.start) / plane.shape[1]
        inside = all(MARGIN < place < 1 - MARGIN for place in places)
        best = max(best, length * (2 / 3 if inside else 1.0))
    return best


def _crowds(shape: tuple[int, ...], down: np.ndarray, across: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Rows, columns and members of the crowds that are wide enough for several glyphs, largest first."""
    from scipy import ndimage

    tiles = np.zeros(tuple(-(-side // TILE) for side in shape), dtype=bool)
    tiles[down // TILE, across // TILE] = True
    labels, count = ndimage.label(tiles, _EIGHT)
    crowd = labels[down // TILE, across // TILE]
    sizes = np.bincount(crowd, minlength=count + 1)
    for number in np.argsort(-sizes, kind="stable")[:MOST_CROWDS]:
        if sizes[number] < STROKES:
            break
        members = np.flatnonzero(crowd == number)
        y, x = down[members], across[members]
        top, bottom, left, right = y[0], y[-1] + 1, x.min(), x.max() + 1
        if right - left < max(2 * HEIGHTS[0], 1.2 * (bottom - top) if len(members) < 8 * STROKES else 0):
            continue
        if len(members) < DENSITY * (bottom - top) * (right - left):
            continue
        around = slice(max(0, top - REACH), bottom + REACH), slice(max(0, left - REACH), right + REACH)
        yield (
            slice(around[0].start, min(around[0].stop, shape[0])),
            slice(around[1].start, min(around[1].stop, shape[1])),
            members,
        )


def _row_in(part: np.ndarray, marked: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Glyphs in the longest row of one part of a plane, uint8 and bool [a, b], and the middle of that row."""
    from scipy import ndimage

    cut = (int(_median(part[marked])) + int(_median(part[~marked]))) / 2
    ink = part > cut
    pieces, count = ndimage.label(ink, _EIGHT)
    touched = np.bincount(pieces[marked], minlength=count + 1)[1:]
    filled = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    boxes = np.array([(r.start, r.stop, c.start, c.stop) for r, c in ndimage.find_objects(pieces)]).reshape(-1, 4)
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    likely = (height >= HEIGHTS[0]) & (height <= HEIGHTS[1]) & (3 * touched >= filled)
    best, middle = 0.0, (0.0, 0.0)
    for row in np.flatnonzero(likely & (width > 1.5 * height)):
        top, bottom, left, right = boxes[row]
        several = min(_crossings(ink[top:bottom, left:right]) / TOUCHING, float(width[row] / (0.5 * height[row])))
        if several > best:
            best, middle = several, ((top + bottom) / 2, (left + right) / 2)
    glyphs = boxes[likely & (width <= 1.5 * height)]
    if len(glyphs) > best:
        run = longest_run(glyphs)
        if len(run) > best:
            best, middle = float(len(run)), (glyphs[run, :2].mean(), glyphs[run, 2:].mean())
    return best, middle


def _median(values: np.ndarray) -> int:
    """The upper median; 0 of nothing. A tenth of the time of np.median, which matters once an image."""
    return int(np.sort(values)[len(values) // 2]) if len(values) else 0


def _crossings(ink: np.ndarray) -> float:
    """Strokes that the median row of bool [a, b] crosses."""
    return float(np.median(ink[:, 0] + (ink[:, 1:] & ~ink[:, :-1]).sum(axis=1)))


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
        line = np.flatnonzero(like & (np.abs(middle - middle[i]) <= 0.35 * height[i]))
        line = line[np.argsort(boxes[line, 2], kind="stable")]
        gaps = boxes[line[1:], 2] - boxes[line[:-1], 3]
        for run in np.split(line, np.flatnonzero(gaps > 1.2 * height[i]) + 1):
            if i in run and len(run) > len(best):
                best = run
    return best
