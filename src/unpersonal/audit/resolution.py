"""In what form pictures were compared: at what size, in what shapes, and whether in colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.figures import Figures, absent
from ..layouts.pictures import Pictures
from .reading import SideRead


@dataclass(frozen=True, kw_only=True)
class TileFigures(Figures):
    """Tiles that people share with a released picture, at the resolution of the files.

    `pictures` were finer than what else is compared, on all sides. `most_train` and `most_others` are the most tiles
    that a train person shares, and a control or auxiliary one; `train_people` and `other_people` are how many of them
    share more than `limit` (`<5` if fewer than five), twice what 99 % of the others do; `chance` is the probability of
    so many train people by the rate of the others.
    """

    pictures: int
    limit: int
    most_train: int
    most_others: int
    train_people: int | str
    other_people: int | str
    chance: float


@dataclass(frozen=True, kw_only=True)
class Reading(Figures):
    """What was read, and in what form it was compared: squares of `size` pixels.

    `colour` says that there were pictures with colour, of which channels that show something else than the grey values
    were compared as well; `one_shape`, that all pictures had the same ratio of edges, so that one view of each is
    enough. `finer` and `coarser` are the shares of pictures whose longer edge is above and below `size`. A study has no
    `sides`: it has read its cohort before, and what the files were is told there.
    """

    size: int
    colour: bool
    one_shape: bool | None = absent()
    finer: float | None = absent()
    coarser: float | None = absent()
    sides: tuple[SideRead, ...] | None = absent()
    tiles: TileFigures | None = absent()
    """What is shared at the resolution of the files, where these are finer than `size`."""

    @property
    def form(self) -> str:
        """In what form pictures were compared, in words."""
        values = "grey values of 8 bits"
        how = f"by {values} and by the colour channels that differ from them" if self.colour else f"by {values}"
        edges = [edge for side in self.sides or () for edge in (side.edge[0], side.edge[2])]
        files = f" (longer edge in the files: {min(edges)} to {max(edges)})" if edges else ""
        return f"pictures were compared at {self.size} × {self.size} pixels{files}, {how}"


def with_form(claim: str, reading: Reading | None) -> str:
    """A claim that says in what form pictures were compared, where that is known."""
    return claim if reading is None else f"{claim}; {reading.form}"


def reading_of(sides: Mapping[str, Pictures], accounts: tuple[SideRead, ...], size: int, one_shape: bool) -> Reading:
    """The reading of the sides of a stand-alone audit."""
    edges = np.concatenate([given.sizes.max(axis=1) for given in sides.values()])
    return Reading(
        size=size,
        colour=any(bool(given.coloured.any()) for given in sides.values()),
        one_shape=one_shape,
        finer=float((edges > size).mean()),
        coarser=float((edges < size).mean()),
        sides=accounts,
    )


def notes_of_reading(reading: Reading) -> list[str]:
    """What a reader should know of the form in which pictures were compared."""
    notes = []
    if reading.finer:
        largest = max(side.edge[2] for side in reading.sides or ())
        notes.append(
            f"{reading.finer:.0%} of the pictures are finer than what was compared (up to {largest} pixels, compared at"
            f" {reading.size}): what shows only above that was not looked at; --size compares more"
        )
    if reading.coarser:
        notes.append(f"{reading.coarser:.0%} of the pictures are smaller than {reading.size} pixels and were enlarged")
    if reading.one_shape is False:
        notes.append(
            "the pictures have different shapes: those that are not square were compared squashed, padded and cut, and"
            " count once"
        )
    return notes
