"""How near is a picture to the person whom a matcher names in it: two values that are comparable between matchers.

A score becomes a distance d by how far it is from that of an exact copy. Near 0 the distances to the people of a smooth
population follow a power law, so that two logarithms have exponential tails: `closeness` -log d₁, and `margin`
log(d₂/d₁), with d₂ the distance to the nearest *other* person (the ratio test of Lowe, IJCV 2004, section 7.1). The
margin does not mind that a picture is like everybody; the closeness that two people are enrolled with one picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.seeds import numpy_rng

if TYPE_CHECKING:
    from .enrolled import Enrolled, Naming

VALUES = ("closeness", "margin")
ENDS = 32
"""Enrolled pictures whose scores say what an exact copy scores."""
LEAST = 0.01
"""Least distance, as a share of that of the typical stranger: nearer is an exact copy."""
TELLS = 1e-3
"""Score by which an exact copy must exceed the typical stranger; else the matcher tells nobody apart."""


@dataclass(frozen=True)
class Ends:
    """Scores of an exact copy and of the typical stranger."""

    exact: float
    typical: float

    @property
    def tell(self) -> bool:
        """Whether the matcher tells a copy from a stranger at all."""
        return self.exact - self.typical > TELLS

    def distances(self, scores: np.ndarray) -> np.ndarray:
        """Distances float64 [q] of scores [q], in units of the typical stranger's; at least `LEAST`."""
        apart = (self.exact - np.asarray(scores, dtype=np.float64)) / (self.exact - self.typical)
        return np.maximum(apart, LEAST)


@dataclass(frozen=True)
class Nearness:
    """Of q images the subject named, int64 [q], and the values float64 [2, q] in the order of `VALUES`."""

    subject: np.ndarray
    values: np.ndarray

    @property
    def distance(self) -> np.ndarray:
        """Distance float64 [q] to the subject named; 1 is that of the typical stranger."""
        found: np.ndarray = np.exp(-self.values[0])
        return found


def ends_of(enrolled: Enrolled, images: np.ndarray, seed: int) -> Ends:
    """Scores of some of the enrolled `images` uint8 [g,C,H,W] themselves, and of the strangers; medians of both."""
    rows = np.sort(numpy_rng(seed, "audit", "ends").permutation(len(images))[:ENDS])
    exact = enrolled.names(np.array(images[rows])).score
    typical = float(np.median(enrolled.strangers)) if len(enrolled.strangers) else np.inf
    return Ends(float(np.median(exact)), typical)


def nearness(enrolled: Enrolled, images: np.ndarray, naming: Naming, ends: Ends) -> Nearness:
    """How near images uint8 [q,C,H,W] are to those whom `naming` names; NaN where the matcher cannot tell."""
    nearest = ends.distances(naming.score)
    second = ends.distances(enrolled.runners_up(images, naming.subject))
    return Nearness(naming.subject, np.stack([-np.log(nearest), np.log(second / nearest)]))
