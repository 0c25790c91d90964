"""Tiles at the resolution of the files: does a released picture share places with a real one, pixel for pixel?

Squares of some 64 pixels do not show what a large picture holds in detail. A tile lies around a place that stands out
from its surroundings, which is the same place wherever the surroundings are (Lowe, IJCV 2004, section 3). Two pictures
share tiles where several are alike at one and the same displacement. Turned, mirrored and rescaled places are not
found: the matchers look for those. Legend: t tiles, k pixels of a tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..core.seeds import numpy_rng
from ..images.formats import decode_pictures
from ..images.ingest import FRAMES
from ..images.picture import ImageError, Picture, split_name
from ..images.preprocess import to_channels, to_eight_bits
from ..layouts.pictures import Pictures
from .resolution import TileFigures
from .result import masked

TILE = 12
"""Side of a tile in pixels."""
REACH = 12
"""Pixels around a place within which nothing stands out more."""
FINE, COARSE = 3, 9
"""Sides of the two box filters whose difference says what stands out, in pixels."""
MOST_TILES = 1024
"""Tiles of one picture, those that stand out most."""
LEAST_DEVIATION = 3.0
"""Grey values by which a tile must vary: noise on nothing is alike everywhere."""
TABLES, BITS = 4, 18
"""Tables of hashes and bits of each (locality-sensitive hashing by random hyperplanes: Charikar, STOC 2002)."""
ALIKE = 0.97
"""Correlation from which two tiles are alike."""
SHARED = 3
"""Tiles at one displacement, at least, that two pictures share by more than chance."""
BEYOND = 2
"""How many times more tiles train people must share than others do."""
ORDINARY = 0.99
"""Share of control and auxiliary people who set the limit above which people are counted."""
ALPHA = 0.01
"""Chance of so many train people above the limit, from which they are a finding."""


@dataclass(frozen=True)
class Tiles:
    """Places int64 [t, 2] (row, column) in a picture, and what is there: unit vectors float32 [t, k]."""

    places: np.ndarray
    vectors: np.ndarray


def tiles_of(pixels: np.ndarray) -> Tiles:
    """Tiles of a grey picture uint8 [H, W]."""
    from scipy.ndimage import maximum_filter, uniform_filter

    grey = pixels.astype(np.float32)
    response = np.abs(uniform_filter(grey, FINE) - uniform_filter(grey, COARSE))
    peaks = (response == maximum_filter(response, 2 * REACH + 1)) & (response > 0)
    half = TILE // 2
    peaks[:half], peaks[-half:], peaks[:, :half], peaks[:, -half:] = False, False, False, False
    places = np.argwhere(peaks)
    places = places[np.argsort(-response[peaks], kind="stable")[:MOST_TILES]]
    steps = np.arange(-half, half)
    found = grey[places[:, 0, None, None] + steps[:, None], places[:, 1, None, None] + steps]
    flat = found.reshape(len(places), TILE * TILE)
    flat = flat - flat.mean(axis=1, keepdims=True)
    kept = flat.std(axis=1) >= LEAST_DEVIATION
    flat = flat[kept]
    return Tiles(places[kept], flat / np.linalg.norm(flat, axis=1, keepdims=True).clip(1e-6))


class TileIndex:
    """The tiles of the released pictures, found by their hashes."""

    def __init__(self, tiles: list[Tiles], seed: int) -> None:
        self._vectors = np.concatenate([t.vectors for t in tiles])
        self._places = np.concatenate([t.places for t in tiles])
        self._picture = np.repeat(np.arange(len(tiles)), [len(t.places) for t in tiles])
        rng = numpy_rng(seed, "audit", "tiles")
        self._planes = rng.normal(size=(TILE * TILE, TABLES * BITS)).astype(np.float32)
        self._tables = [self._table(codes) for codes in self._codes(self._vectors).T]

    @staticmethod
    def _table(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(codes, kind="stable")
        return codes[order], order

    def _codes(self, vectors: np.ndarray) -> np.ndarray:
        """Hashes int64 [t, TABLES]."""
        signs = (vectors @ self._planes > 0).reshape(len(vectors), TABLES, BITS)
        found: np.ndarray = signs @ (1 << np.arange(BITS))
        return found

    def shared(self, tiles: Tiles) -> int:
        """The most tiles that a released picture shares with these at one displacement."""
        pairs = [
            pair
            for (known, order), codes in zip(self._tables, self._codes(tiles.vectors).T, strict=True)
            for pair in _equal(codes, known, order)
        ]
        if not pairs:
            return 0
        own, other = np.unique(np.concatenate(pairs, axis=1), axis=1)
        alike = np.einsum("tk,tk->t", tiles.vectors[own], self._vectors[other]) >= ALIKE
        own, other = own[alike], other[alike]
        if not len(own):
            return 0
        shift = self._places[other] - tiles.places[own]
        votes = np.unique(np.column_stack([self._picture[other], shift]), axis=0, return_counts=True)[1]
        return int(votes.max())


def _equal(codes: np.ndarray, known: np.ndarray, order: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs int64 [2, n] of rows of `codes` and of the table whose hashes are equal."""
    first, last = np.searchsorted(known, codes, "left"), np.searchsorted(known, codes, "right")
    count = last - first
    if count.sum():
        own = np.repeat(np.arange(len(codes)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        yield np.stack([own, order[np.repeat(first, count) + within]])


def native_tiles(pictures: Pictures, finer: np.ndarray) -> Iterator[tuple[int, Tiles]]:
    """Each of the pictures `finer` (rows), decoded once more in full, as tiles of its grey values."""
    if pictures.source is None:
        raise ValueError("these pictures were not read from files")
    for file, group in groupby(finer, key=lambda row: split_name(pictures.names[row])[0]):
        rows = list(group)
        try:
            data = pictures.source.archive.open_bytes(file)
        except ImageError:
            continue
        for start in range(0, len(rows), FRAMES):
            some = rows[start : start + FRAMES]
            fragments = [split_name(pictures.names[row])[1] for row in some]
            for row, picture in zip(some, decode_pictures(data, fragments, pictures.source.options), strict=True):
                if isinstance(picture, Picture):
                    yield int(row), tiles_of(_grey(picture))


def _grey(picture: Picture) -> np.ndarray:
    """Grey values uint8 [H, W] at full size."""
    eight = to_eight_bits(picture.pixels, windowed=picture.windowed, padding=picture.padding)
    found: np.ndarray = to_channels(eight, 1)[0]
    return found


def measure_tiles(
    sides: Mapping[str, Pictures], released: str, size: int, seed: int
) -> tuple[TileFigures | None, list[str]]:
    """Figures of the tiles shared with the side `released`, and shortfalls; None where no picture is finer than `size`.

    A person shares as many tiles as that picture of it shares, which shares most, with one released picture. Of
    released pictures the finer ones are taken, and of people all: a sheet of many small pictures is finer than each.
    """
    finer = {name: np.flatnonzero(given.sizes.max(axis=1) > size) for name, given in sides.items()}
    known = [tiles for _, tiles in native_tiles(sides[released], finer[released])]
    if not any(len(tiles.places) for tiles in known):
        return None, []
    index = TileIndex(known, seed)
    most: dict[str, dict[str, int]] = {name: {} for name in sides if name != released}
    for name, people in most.items():
        for row, tiles in native_tiles(sides[name], np.arange(len(sides[name].names))):
            who = str(sides[name].subjects[row])
            people[who] = max(people.get(who, 0), index.shared(tiles))
    train = np.array(list(most.pop("train").values()), dtype=np.int64)
    others = np.array([count for people in most.values() for count in people.values()], dtype=np.int64)
    return compared(train, others, sum(len(rows) for rows in finer.values()))


def compared(train: np.ndarray, others: np.ndarray, pictures: int) -> tuple[TileFigures, list[str]]:
    """Figures and shortfalls of the most tiles that each train person shares, int64 [n], and each of the others, [o].

    A finding is a train person who shares more than twice what anybody else does, or more train people above the limit
    than chance allows by the rate of the others (binomial, with one more of them above).
    """
    from scipy.stats import binom

    ordinary = int(np.quantile(others, ORDINARY, method="higher")) if len(others) else 0
    limit = max(BEYOND * ordinary, SHARED - 1)
    above, beside = int((train > limit).sum()), int((others > limit).sum())
    chance = float(binom.sf(above - 1, len(train), (beside + 1) / (len(others) + 1)))
    figures = TileFigures(
        pictures=pictures,
        limit=limit,
        most_train=int(train.max(initial=0)),
        most_others=int(others.max(initial=0)),
        train_people=masked(above) if above else 0,
        other_people=masked(beside) if beside else 0,
        chance=chance,
    )
    if chance > ALPHA and figures.most_train <= max(BEYOND * figures.most_others, limit):
        return figures, []
    said = (
        f"at the resolution of the files, {masked(above)} train people share more than {limit} tiles with a released"
        f" picture ({figures.most_train} at most), of control and auxiliary people {figures.other_people}"
        f" ({figures.most_others} at most): places are copied that smaller squares do not show"
    )
    return figures, [said]
