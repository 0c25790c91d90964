"""Whether a prepared image shows several pictures in a grid: cells that resemble one another, or seams between them.

Legend: n images, C channels, S size.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

GRIDS = ((2, 2), (2, 3), (3, 2), (3, 3), (3, 4), (4, 3), (4, 4))
"""Rows and columns of pictures that are looked for."""
ALIKE = 0.35
"""Correlation that the two cells of a grid which are least alike must have; single radiographs have 0.04 at most."""
COARSE = 32
"""Size at which cells are compared."""
SEAM, LEAST_STEP = 3.0, 12.0
"""Times the steep steps elsewhere that the step across every seam of a grid must be, and its grey values at least."""
BATCH = 256


def are_sheets(images: np.ndarray) -> np.ndarray:
    """bool [n]: which of uint8 [n,C,S,S] look like sheets of several pictures."""
    found = [_batch(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return np.concatenate(found) if found else np.zeros(0, bool)


def _batch(images: np.ndarray) -> np.ndarray:
    grey = images.astype(np.float32).mean(axis=1)
    block = grey.shape[1] // COARSE if grey.shape[1] % COARSE == 0 else 1
    coarse = grey.reshape(len(grey), grey.shape[1] // block, block, -1, block).mean(axis=(2, 4))
    sheets = np.zeros(len(grey), bool)
    for rows, columns in GRIDS:
        sheets |= _alike(coarse, rows, columns) >= ALIKE
    across, down = (_seams(np.abs(np.diff(grey, axis=axis)).mean(axis=3 - axis)) for axis in (2, 1))
    return sheets | (across & down)


def _alike(grey: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """float [n]: the least correlation of two cells of a grid; -1 where a cell is empty."""
    size = grey.shape[1]
    height, width = size // rows, size // columns
    cells = [
        grey[:, round(i * size / rows) :, round(j * size / columns) :][:, :height, :width].reshape(len(grey), -1)
        for i in range(rows)
        for j in range(columns)
    ]
    centred = [cell - cell.mean(axis=1, keepdims=True) for cell in cells]
    spread = [np.sqrt((cell**2).sum(axis=1)) for cell in centred]
    least = np.ones(len(grey))
    for i, j in combinations(range(len(cells)), 2):
        product = (centred[i] * centred[j]).sum(axis=1)
        both = spread[i] * spread[j]
        least = np.minimum(least, np.where(both > 0, product / np.maximum(both, 1e-9), -1.0))
    return least


def _seams(steps: np.ndarray) -> np.ndarray:
    """bool [n]: whether the steps [n, S-1] between neighbouring lines are steep just where pictures would meet."""
    size = steps.shape[1] + 1
    found = np.zeros(len(steps), bool)
    for parts in (2, 3, 4):
        places = [round(size * k / parts) for k in range(1, parts)]
        near = {at for place in places for at in range(place - 3, place + 3)}
        others = [at for at in range(2, size - 3) if at not in near]
        if min(places) < 4 or not others:
            continue
        meeting = np.min([steps[:, place - 2 : place + 1].max(axis=1) for place in places], axis=0)
        found |= (meeting >= SEAM * np.quantile(steps[:, others], 0.9, axis=1)) & (meeting >= LEAST_STEP)
    return found
