"""Colour pictures as grey views: their grey values and every colour channel that shows something else.

Spaces and matchers compare grey values. The mean of the channels would hide a copy that lies in one of them.
Legend: v views, S size.
"""

from __future__ import annotations

import numpy as np

from ..images.preprocess import to_channels

ALIKE = 0.95
"""Correlation with the grey values from which a channel shows the same."""
CHUNK = 1024


def grey_views(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey views uint8 [w, 1, S, S] of views uint8 [v, C, S, S], and which view each is of, int64 [w].

    Grey pictures have one each. The first v are the grey values (luma) of all, in their order; channels follow.
    """
    count = len(views)
    if views.shape[1] == 1:
        return views, np.arange(count)
    found, source = [np.stack([to_channels(view, 1) for view in views])], [np.arange(count)]
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        other = correlation(views[part], found[0][part]) < ALIKE
        for channel in range(views.shape[1]):
            rows = start + np.flatnonzero(other[:, channel])
            found.append(views[rows, channel : channel + 1])
            source.append(rows)
    return np.concatenate(found), np.concatenate(source)


def correlation(views: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each channel with the grey values, float64 [v, C]; 1 for a channel of one value."""
    channels = views.reshape(*views.shape[:2], -1).astype(np.float64)
    luma = grey.reshape(len(grey), 1, -1).astype(np.float64)
    channels -= channels.mean(axis=2, keepdims=True)
    luma -= luma.mean(axis=2, keepdims=True)
    scale = np.sqrt((channels**2).sum(axis=2) * (luma**2).sum(axis=2))
    together = (channels * luma).sum(axis=2)
    flat = (channels**2).sum(axis=2) < 1e-9
    found: np.ndarray = np.where(flat, 1.0, together / np.maximum(scale, 1e-9))
    return found
