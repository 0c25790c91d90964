"""Kinds of copies: which of them the audit's matchers see, and which it is blind to.

Copies of train subjects are planted, one kind after the other at one strength each: the hardest to which no release may
be blind by default, or the weakest where it may be blind to all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.seeds import numpy_rng
from ..matching.kinds import LEAST_RECALL, PICTURE_KINDS, Kind, strength_of
from ..metrics.intervals import clopper_pearson_lower
from .background import Background
from .enrolled import Enrolled, Naming
from .figures import KindRow
from .target import Target

CONFIDENCE = 0.95
"""One-sided confidence of the lower bound of a kind's recall."""
NAMED_RATE = 0.01
"""Share of strangers above whose scores a copy must be named."""


@dataclass(frozen=True)
class Plants:
    """Copies uint8 [q,C,H,W] of train subjects, int64 [q] in the order of their names; all of one kind after another.

    `originals` uint8 [n,C,H,W] are the pictures of the n subjects, the same for each kind; `namings` by matcher.
    """

    kinds: tuple[Kind, ...]
    originals: np.ndarray
    subjects: np.ndarray
    copies: np.ndarray
    namings: dict[str, Naming]

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds at the strengths at which they are planted, as `Kind.named` calls them."""
        return tuple(kind.named(strength_of(kind)) for kind in self.kinds)

    def of(self, number: int) -> Plants:
        """The copies of one kind."""
        size = len(self.originals)
        return replace(self, kinds=self.kinds[number : number + 1])._rows(np.arange(size) + number * size)

    def only(self, people: np.ndarray) -> Plants:
        """The copies of one kind of some of the people (int64)."""
        return replace(self, originals=self.originals[people])._rows(people)

    def with_copies(self, copies: np.ndarray, enrolled: Sequence[Enrolled]) -> Plants:
        """Other copies of the same people."""
        return replace(self, copies=copies, namings={each.name: each.names(copies) for each in enrolled})

    def _rows(self, rows: np.ndarray) -> Plants:
        namings = {name: naming.only(rows) for name, naming in self.namings.items()}
        return replace(self, subjects=self.subjects[rows], copies=self.copies[rows], namings=namings)


def plant_kinds(background: Background, target: Target) -> Plants:
    """One copy of every kind of each of some train subjects, and whom the matchers name in it."""
    train = np.flatnonzero(target.train)
    chosen = numpy_rng(background.seed, "audit", "kinds").permutation(train)[: background.config.kind_copies]
    _, first = np.unique(target.subjects, return_index=True)
    originals = np.array(target.images[first[chosen]])
    copies = np.concatenate([copies_of(kind, originals, background) for kind in PICTURE_KINDS])
    plants = Plants(PICTURE_KINDS, originals, np.tile(chosen, len(PICTURE_KINDS)), copies, {})
    return plants.with_copies(copies, target.enrolled(background))


def copies_of(kind: Kind, originals: np.ndarray, background: Background, draw: int = 0) -> np.ndarray:
    """Copies uint8 [n,C,H,W] of that kind; another `draw` makes others. Pieces are put into certifying people."""
    rng = numpy_rng(background.seed, "audit", "kinds", kind.name, *([draw] if draw else []))
    return kind.copies(originals, np.array(background.certify.images), strength_of(kind), rng)


def measure_kinds(plants: Plants) -> tuple[KindRow, ...]:
    """For every kind the share of copies that some matcher names after their own subject."""
    named = [naming.at(NAMED_RATE) & (naming.subject == plants.subjects) for naming in plants.namings.values()]
    seen = np.any(named, axis=0).reshape(len(plants.kinds), -1)
    return tuple(_row(kind, found) for kind, found in zip(plants.kinds, seen, strict=True))


def _row(kind: Kind, seen: np.ndarray) -> KindRow:
    found, copies = int(seen.sum()), len(seen)
    lower = clopper_pearson_lower(found, copies, CONFIDENCE)
    return KindRow(kind=kind.named(strength_of(kind)), copies=copies, seen=found / copies, seen_lower=lower)


def blind_kinds(kinds: Sequence[KindRow]) -> tuple[str, ...]:
    """Names of the kinds whose recall may be below `LEAST_RECALL`."""
    return tuple(row.kind for row in kinds if row.seen_lower < LEAST_RECALL)
