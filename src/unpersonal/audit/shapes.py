"""Squares by which pictures of any shape are compared, so that nothing is cut away unseen.

Where all pictures of all sides have one shape, all of each is squashed to a square: nothing is lost, and copies of the
same shape lie over one another. Otherwise a released square may be the middle of a picture, all of it squashed, or all
of it with black. Each picture that is not square is then seen in all these views; who owns it remains one person, and a
released one remains one picture. A square in the middle leaves out more than a fifth from `LONG` on: squares along the
whole longer side, half over one another, are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..images.preprocess import ViewConfig
from ..layouts.pictures import Pictures

SAME = 1.02
"""Ratio of two shapes below which they are one."""
LONG = 1.25
"""Longer over shorter edge from which a square in the middle leaves out more than a fifth of the area."""
LONGEST = 5.0
"""Longer over shorter edge beyond which squares along the longer side would be too many; such strips are cut."""
FINER = 2.0
"""Longer edge of a released picture over the longest of any real one beyond which it may be a sheet of several."""
MOST_CUT = 0.01
"""Share of the pictures of a side that may be such strips."""


def aspects(pictures: Pictures) -> np.ndarray:
    """Width over height of each picture in its file, float64 [n]."""
    found: np.ndarray = pictures.sizes[:, 1] / pictures.sizes[:, 0]
    return found


def elongation(pictures: Pictures) -> np.ndarray:
    """Longer over shorter edge of each picture, float64 [n], at least 1."""
    found = aspects(pictures)
    longer: np.ndarray = np.maximum(found, 1 / found)
    return longer


def one_shape(sides: Mapping[str, Pictures]) -> bool:
    """Whether all pictures of all sides have the same ratio of edges."""
    found = np.concatenate([aspects(side) for side in sides.values()])
    return bool(found.max() <= SAME * found.min())


def all_views(pictures: Pictures, size: int) -> Pictures:
    """The squashed pictures, and of those that are not square the padded and cut squares as well."""
    longer = elongation(pictures)
    oblong = np.flatnonzero(longer > SAME)
    if not len(oblong):
        return pictures
    found = pictures.also(oblong, ViewConfig(size=size, fit="pad"))
    windows = window_counts(longer[oblong])
    for count in np.unique(windows):
        rows = oblong[windows == count]
        for place in np.linspace(0, 1, count) if count > 1 else [0.5]:
            found = found.also(rows, ViewConfig(size=size, place=float(place)))
    return found


def window_counts(longer: np.ndarray) -> np.ndarray:
    """Squares along the longer side for each elongation, int64: an odd number, the middle among them."""
    needed = np.ceil(2 * (np.minimum(longer, LONGEST) - 1)).astype(np.int64) + 1
    odd: np.ndarray = np.where(longer < LONG, 1, np.maximum(needed + 1 - needed % 2, 3))
    return odd


def cut_remarks(sides: Mapping[str, Pictures]) -> list[str]:
    """Shortfalls: sides with strips, of which more than a fifth is compared only at a fraction of its resolution."""
    if one_shape(sides):
        return []
    found = []
    for name, pictures in sides.items():
        cut = int((elongation(pictures) > LONGEST).sum())
        if cut > (0 if name == "synthetic" else MOST_CUT * len(pictures.names)):
            found.append(
                f"{cut} of {len(pictures.names)} pictures of {name} are more than {LONGEST:g} times as long as wide:"
                " more than a fifth of them is cut away by the squares that are compared"
            )
    return found


def low_views(pictures: Pictures, seen: Pictures, size: int) -> Pictures:
    """`seen`, and of every one of the `pictures` of more than 8 bits the lower 8 as one more view, squashed to `size`.

    Those upper 8 bits that are compared otherwise may show nobody, and these somebody. Lower bits that are all alike
    are left out: they show nothing.
    """
    deep = np.flatnonzero(pictures.deep & ~pictures.coloured)
    if not len(deep):
        return seen
    low = seen.also(deep, ViewConfig(size=size, squash=True, low=True))
    kept = np.ones(len(low.picture), dtype=bool)
    kept[len(seen.picture) :] = [bool(np.ptp(view)) for view in low.views[len(seen.picture) :]]
    return replace(low, views=low.views[kept], picture=low.picture[kept])


def deep_remarks(pictures: Pictures, name: str) -> tuple[list[str], list[str]]:
    """Shortfalls and notes on the pictures of a side of more than 8 bits a channel."""
    colour, grey = int((pictures.deep & pictures.coloured).sum()), int((pictures.deep & ~pictures.coloured).sum())
    unseen = [
        f"{colour} of {len(pictures.names)} pictures of {name} have colours of more than 8 bits, of which the upper 8"
        " alone were compared: a copy may be in the others; save them with 8 bits a channel"
    ]
    seen = [
        f"{grey} of {len(pictures.names)} pictures of {name} have more than 8 bits: the lower 8 were compared as a"
        " picture of their own; where a header scales the values, they are those after scaling"
    ]
    return unseen if colour else [], seen if grey else []


def finer_remarks(sides: Mapping[str, Pictures], released: str) -> list[str]:
    """A shortfall where pictures of the side `released` are much finer than any real one.

    Brought to the squares that are compared, a sheet of many people shows nobody.
    """
    longest = {name: pictures.sizes.max(axis=1) for name, pictures in sides.items()}
    real = max(int(longest[name].max()) for name in sides if name != released)
    finer = int((longest[released] > FINER * real).sum())
    if not finer:
        return []
    return [
        f"{finer} of {len(longest[released])} pictures of {released} are more than {FINER:g} times as fine as any of a"
        f" real person (longer edge {int(longest[released].max())} pixels, at most {real}): each may hold several"
        " people, of whom squares show nothing; give them at the size of the real ones"
    ]
