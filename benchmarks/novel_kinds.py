"""Kinds of copies for which no matcher was made and which no threshold, gate or audit has seen.

`matching/kinds.py` is what gate and audit plant and promise. An attacker, or a generator, keeps to no list: these are
other ways in which a person can be in a picture, made by SciPy and Pillow. They judge gate and audit
(`audit_power novel`); nothing may be fitted to them. `COVERED` were found blind here, and the matcher of poses has been
taught to see them since: of these the rows say what it learnt, of the others what it makes of the unknown.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from unpersonal.matching.kinds import Kind

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""A float picture [S, S] of 0 to 255 changed; one channel."""
Join = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""The same of a picture and a stranger's."""


def _rounded(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _alone(name: str, title: str, change: Change) -> Kind:
    def make(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
        return np.stack([np.stack([_rounded(change(c.astype(float), rng)) for c in image]) for image in images])

    return Kind(name, title, (1.0,), make)


def _with(name: str, title: str, join: Join) -> Kind:
    def make(images: np.ndarray, hosts: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
        chosen = hosts[rng.integers(0, len(hosts), len(images))]
        return np.stack(
            [
                np.stack(
                    [_rounded(join(c.astype(float), h.astype(float), rng)) for c, h in zip(image, host, strict=True)]
                )
                for image, host in zip(images, chosen, strict=True)
            ]
        )

    return Kind(name, title, (1.0,), make)


def _moved(image: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Each place of the result is taken so far from it."""
    rows, columns = np.indices(image.shape).astype(float)
    return ndimage.map_coordinates(image, [rows + down, columns + across], order=1, mode="nearest")


def _elastic(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth random field, at most about 6 % of the side."""
    side = len(image)
    down, across = (ndimage.gaussian_filter(rng.normal(size=image.shape), side / 8) for _ in range(2))
    most = 0.06 * side / max(np.abs(down).max(), np.abs(across).max())
    return _moved(image, down * most, across * most)


def _wave(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = len(image)
    wave = 0.04 * side * np.sin(2 * np.pi * (2 * np.arange(side) / side + rng.uniform()))
    return _moved(image, np.zeros(image.shape), np.repeat(wave[:, None], side, 1))


def _perspective(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One side of the picture is a quarter shorter."""
    side = len(image)
    rows, columns = np.indices(image.shape).astype(float)
    narrow = 0.75 + 0.25 * rows / side
    return ndimage.map_coordinates(image, [rows, side / 2 + (columns - side / 2) / narrow], order=1, cval=0.0)


def _turned(image: np.ndarray, degrees: float) -> np.ndarray:
    return ndimage.rotate(image, degrees, reshape=False, order=1)


def _turned_mirrored_crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    turned, side = _turned(image[:, ::-1], float(rng.choice((-12.0, 12.0)))), len(image)
    kept = round(0.75 * side)
    top, left = rng.integers(0, side - kept + 1, 2)
    return ndimage.zoom(turned[top : top + kept, left : left + kept], side / kept, order=1)[:side, :side]


def _quarters(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    half = len(image) // 2
    return np.roll(image, (half, half), (0, 1))


def _symmetric(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    half, found = len(image) // 2, image.copy()
    found[:, half:] = image[:, :half][:, ::-1]
    return found


def _coarse(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = len(image)
    small = ndimage.zoom(ndimage.gaussian_filter(image, side / 32), 16 / side, order=1)
    return ndimage.zoom(small, side / 16, order=1)


def _edges(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    edges = np.hypot(ndimage.sobel(image, 0), ndimage.sobel(image, 1))
    return 255 * edges / max(float(np.quantile(edges, 0.99)), 1.0)


def _sharpened(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image + 4 * (image - ndimage.gaussian_filter(image, 2))


def _peppered(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    dots = rng.random(image.shape)
    return np.where(dots < 0.06, 0.0, np.where(dots > 0.94, 255.0, image))


def _equalised(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    order = np.argsort(np.argsort(image, axis=None, kind="stable"))
    return (255 * order / (image.size - 1)).reshape(image.shape)


def _shaded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light falls from one side: from a third to all of it."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.indices(image.shape) / len(image) - 0.5
    return image * (0.67 + 0.45 * (rows * np.sin(angle) + columns * np.cos(angle)))


def _inlay(image: np.ndarray, host: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shrunk to half the side, in a corner of a stranger's picture."""
    side, found = len(image), host.copy()
    small = ndimage.zoom(image, 0.5, order=1)
    top, left = (int(rng.integers(2)) * (side - len(small)) for _ in range(2))
    found[top : top + len(small), left : left + len(small)] = small
    return found


def _side_by_side(image: np.ndarray, host: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([ndimage.zoom(each, (1, 0.5), order=1) for each in (image, host)], 1)


def _small_inlay(image: np.ndarray, host: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shrunk to a third of the side, anywhere in a stranger's picture."""
    side, found = len(image), host.copy()
    small = ndimage.zoom(image, 1 / 3, order=1)
    top, left = rng.integers(0, side - len(small) + 1, 2)
    found[top : top + len(small), left : left + len(small)] = small
    return found


def _between_two(image: np.ndarray, host: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Squeezed to a third of the width, with a stranger left and right of it."""
    side = len(image)
    third = ndimage.zoom(image, (1, 1 / 3), order=1)
    found, left = host.copy(), (side - third.shape[1]) // 2
    found[:, left : left + third.shape[1]] = third
    return found


def _swirl(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by 40° at the centre and not at all at the edge."""
    side = len(image)
    rows, columns = np.indices(image.shape) - (side - 1) / 2
    angle = np.deg2rad(40.0) * np.clip(1 - 2 * np.hypot(rows, columns) / side, 0, 1)
    down = rows * np.cos(angle) - columns * np.sin(angle)
    across = rows * np.sin(angle) + columns * np.cos(angle)
    return _moved(image, down - rows, across - columns)


def _stripes(image: np.ndarray, host: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    width = len(image) // 16
    return np.where((np.arange(len(image)) // width % 2 == 0)[:, None], image, host)


def _chequered(image: np.ndarray, host: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.indices(image.shape) // (len(image) // 8)
    return np.where((rows + columns) % 2 == 0, image, host)


def _coarse_of(image: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(image, len(image) / 24)


NOVEL: tuple[Kind, ...] = (
    _alone("elastic", "warped by a smooth random field", _elastic),
    _alone("wave", "shifted row by row along a wave", _wave),
    _alone("perspective", "as if seen from above", _perspective),
    _alone("turned 35°", "turned by 35°", lambda image, rng: _turned(image, float(rng.choice((-35.0, 35.0))))),
    _alone("upside down", "mirrored from top to bottom", lambda image, rng: image[::-1]),
    _alone("turned mirrored crop", "mirrored, turned by 12° and cropped to 0.75", _turned_mirrored_crop),
    _alone("quarters exchanged", "cut into quarters that change places", _quarters),
    _alone("symmetric", "its left half, and that mirrored", _symmetric),
    _alone("coarse", "shrunk to 16 pixels and enlarged", _coarse),
    _alone("edges", "its edges alone", _edges),
    _alone("sharpened", "sharpened fourfold", _sharpened),
    _alone("median", "smoothed by a median of 5 × 5", lambda image, rng: ndimage.median_filter(image, 5)),
    _alone("peppered", "an eighth of its pixels black or white", _peppered),
    _alone("four greys", "of four grey values", lambda image, rng: np.floor(image / 64) * 85),
    _alone("equalised", "with every grey value as often", _equalised),
    _alone("shaded", "lit from one side", _shaded),
    _with("inlay", "at half size in a corner of a stranger", _inlay),
    _with("side by side", "squeezed beside a stranger", _side_by_side),
    _with("small inlay", "at a third of the size somewhere in a stranger", _small_inlay),
    _with("between two", "squeezed between two halves of a stranger", _between_two),
    _alone("swirl", "turned by 40° in its middle alone", _swirl),
    _with("stripes", "in every other stripe of a stranger", _stripes),
    _with("chequered", "in every other field of a stranger", _chequered),
    _with("blend 0.35", "blended into a stranger by 35 %", lambda image, host, rng: 0.35 * image + 0.65 * host),
    _with("fine detail", "its fine detail on a stranger", lambda i, h, rng: _coarse_of(h) + i - _coarse_of(i)),
    _with("coarse shape", "a stranger's fine detail on it", lambda i, h, rng: _coarse_of(i) + h - _coarse_of(h)),
)
COVERED = ("turned 35°", "inlay", "side by side")
"""Names of those that are unknown no longer."""
