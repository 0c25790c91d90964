"""Minimum detectable leak: of how many people must a release hold a copy, that this audit finds somebody?

Copies of train subjects are planted, of each kind one of each of some people, and searched for as released images are,
under the limits of this very release. With a lower bound d of the share found, copies of k different people go unseen
with probability (1 - d)^k at most. Copies of *one* person are not independent, so that of them people are counted: how
many are found by any of c copies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..matching.kinds import MAY_BE_BLIND
from ..metrics.intervals import clopper_pearson_lower
from .background import Background
from .copied import Limits, confirmed, identical_subjects
from .copied_figures import Detectable, LeakRow
from .nearness import nearness
from .recall import CONFIDENCE, Plants, copies_of
from .target import Target

POWER = 0.95
"""Probability with which a leak must be found."""
MOST_PERSONS = 1000
"""People of whom copies must be found at the latest; a kind that needs as many is blind."""
MOST_IMAGES = 5
"""Copies of one person that are tried, at most."""
WORTH_TRYING = 0.5
"""Share of people found by one copy below which no more copies of one are tried."""


def least_persons(lower: float) -> int | None:
    """The least k with 1 - (1 - lower)^k >= `POWER`; None where it is not below `MOST_PERSONS`."""
    if lower >= POWER:
        return 1
    needed = math.log(1.0 - POWER) / math.log1p(-lower) if lower > 0.0 else math.inf
    return math.ceil(needed) if needed < MOST_PERSONS - 1 else None


def measure_detectable(background: Background, target: Target, plants: Plants, limits: Sequence[Limits]) -> Detectable:
    """Search for the `plants` under the `limits` of a release."""
    seen = _found(background, target, plants, limits)
    rows = tuple(
        _row(background, target, plants.of(number), found, limits)
        for number, found in enumerate(seen.reshape(len(plants.kinds), -1))
    )
    needed = [row.persons for row in rows if row.kind not in MAY_BE_BLIND]
    known = [persons for persons in needed if persons is not None]
    return Detectable(
        power=POWER,
        persons=max(known) if known and len(known) == len(needed) else None,
        blind=tuple(row.kind for row in rows if row.persons is None),
        kinds=rows,
    )


def _row(background: Background, target: Target, plants: Plants, seen: np.ndarray, limits: Sequence[Limits]) -> LeakRow:
    """The row of one kind, of whose first copies `seen` bool [n] were found."""
    lower = clopper_pearson_lower(int(seen.sum()), len(seen), CONFIDENCE)
    return LeakRow(
        kind=plants.names[0],
        planted=len(seen),
        seen=float(seen.mean()),
        seen_lower=lower,
        persons=least_persons(lower),
        images=_least_images(background, target, plants, seen, limits),
    )


def _least_images(
    background: Background, target: Target, plants: Plants, seen: np.ndarray, limits: Sequence[Limits]
) -> int | None:
    """Least copies of one person by which enough people are found; further ones are made of those not yet found."""
    found = seen.copy()
    for images in range(1, MOST_IMAGES + 1):
        if clopper_pearson_lower(int(found.sum()), len(found), CONFIDENCE) >= POWER:
            return images
        if found.mean() < WORTH_TRYING or images == MOST_IMAGES:
            break
        missing = np.flatnonzero(~found)
        again = copies_of(plants.kinds[0], plants.originals[missing], background, images)
        if np.array_equal(again, plants.copies[missing]):
            break
        more = plants.only(missing).with_copies(again, target.enrolled(background))
        found[missing] = _found(background, target, more, limits)
    return None


def _found(background: Background, target: Target, plants: Plants, limits: Sequence[Limits]) -> np.ndarray:
    """Which planted copies are findings in their own subject, bool [q]."""
    found: np.ndarray = identical_subjects(plants.copies, background, target) == plants.subjects
    looks = [
        (enrolled, limit, plants.namings[enrolled.name], confirmed(enrolled.name, plants.namings))
        for enrolled, limit in zip(target.enrolled(background), limits, strict=True)
        if limit.ends.tell
    ]
    for _, limit, naming, believed in looks:
        found |= (naming.subject == plants.subjects) & believed & limit.close(naming.score)
    # the runner-up is sought where that decides
    for enrolled, limit, naming, believed in looks:
        rows = np.flatnonzero(~found & believed & (naming.subject == plants.subjects))
        if len(rows):
            found[rows] = limit.exceeded(nearness(enrolled, plants.copies[rows], naming.only(rows), limit.ends))
    return found
