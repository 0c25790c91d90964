"""Swap: two generators, each of one half of the people; each half is control of the other.

What is audited is the procedure, not one trained generator: who trained which was a matter of chance, and the images of
both together are the release. Two games are played. What they say of membership is joined person by person
(`swap_scores`); isolation counts the people of both; the rest holds if it holds in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.seeds import numpy_rng
from ..matching.strangers import pick_strangers
from .config import AuditConfig
from .evaluate import audit_images
from .family import Family
from .figures import AuditFigures, Verdict
from .halves import unequal
from .images import Labels, SubjectImages
from .profiles import PROFILES, Profile
from .repeats import find_repeats
from .resolution import Reading
from .result import AuditResult
from .swap_figures import SwapMembership
from .swap_joined import joined_figures
from .swap_scores import SwapScores, membership_of
from .target import Target, strata_of

if TYPE_CHECKING:
    from ..cohort.soft_labels import SoftLabels
    from .model import ModelAccess

MOST_SHARED = 0.02
"""Share of the pictures of a release that may look like one of the other by chance."""


@dataclass(frozen=True)
class SwapSide:
    """Half of the people, and what a generator made of them.

    `released` uint8 [m,C,H,W]; `pictures` int64 [m] as in `audit_images`; `labels` and `soft` are what is released of
    the images beside them; `model` is the generator, where the attacker has it.
    """

    people: SubjectImages
    released: np.ndarray
    pictures: np.ndarray | None = None
    labels: Labels | None = None
    soft: SoftLabels | None = None
    model: ModelAccess | None = None


@dataclass(frozen=True)
class SwapResult:
    """The joined `figures`; and the games themselves, which name people."""

    figures: AuditFigures
    games: tuple[AuditResult, AuditResult]

    @property
    def verdict(self) -> Verdict:
        """`pass`, `inconclusive` or `fail`."""
        return self.figures.verdict


def audit_swap(
    first: SwapSide,
    second: SwapSide,
    auxiliary: SubjectImages,
    network: SubjectImages | None = None,
    *,
    config: AuditConfig | None = None,
    seed: int,
    profile: Profile = PROFILES["open"],
    shortfalls: Sequence[str] = (),
    notes: Sequence[str] = (),
    reading: Reading | None = None,
    drops: bool = False,
) -> SwapResult:
    """Audit a procedure by two of its releases; see `audit_images` for what both have in common.

    Halves may differ by one person in twenty at most, else `InputError`: who has no partner is not compared.
    """
    config = config or AuditConfig()
    sizes = [len(side.people.names) for side in (first, second)]
    if unequal(sizes[0], sizes[1]):
        raise InputError(
            f"The halves of a swap are {sizes[0]} and {sizes[1]} people", where="audit", how="divide them by chance"
        )
    shortfalls = (*shortfalls, *_shared(first, second, auxiliary))
    # each game has half of the error, so that no lower bound of either is above its margin by chance more often
    careful = config.model_copy(update={"confidence": (1.0 + config.confidence) / 2.0, "alpha": config.alpha / 2.0})
    kept: list[tuple[Family, Target]] = []
    results = []
    for number, (own, other) in enumerate(((first, second), (second, first))):
        results.append(
            audit_images(
                own.people,
                other.people,
                own.released,
                auxiliary,
                network,
                config=careful,
                seed=seed,
                pictures=own.pictures,
                shortfalls=shortfalls,
                notes=notes if number == 0 else (),
                reading=reading,
                released_labels=own.labels,
                profile=profile,
                soft=own.soft,
                model=own.model,
                drops=drops,
                keep=kept,
            )
        )
    membership = _membership(kept, (first, second), config, seed)
    model = first.model is not None and second.model is not None
    joined = joined_figures(results[0], results[1], membership, config, profile, model)
    return SwapResult(joined, (results[0], results[1]))


def _shared(first: SwapSide, second: SwapSide, strangers: SubjectImages) -> tuple[str, ...]:
    """Why nothing can pass where both releases have the same pictures.

    A picture in both scores everybody alike in both games, in one as a member and in the other as control. The mean of
    the two games is then that of chance, whatever the picture shows.
    """
    sides = [
        (side.released, np.arange(len(side.released)) if side.pictures is None else np.asarray(side.pictures))
        for side in (first, second)
    ]
    count = int(sides[0][1].max()) + 1
    repeats = find_repeats(
        np.concatenate([sides[0][0], sides[1][0]]),
        np.concatenate([sides[0][1], sides[1][1] + count]),
        strangers.images[pick_strangers(strangers.subjects)],
    )
    both = np.unique(repeats.pairs[(repeats.pairs < count).sum(axis=1) == 1][:, 0])
    if len(both) <= MOST_SHARED * count:
        return ()
    return (
        f"{len(both)} of {count} pictures of the first release are in the second as well: two generators of different"
        " people have no picture in common, and what is in both cannot be audited by a swap",
    )


def _membership(
    kept: Sequence[tuple[Family, Target]], sides: tuple[SwapSide, SwapSide], config: AuditConfig, seed: int
) -> tuple[SwapMembership, ...]:
    """Paired figures of every attack on membership that gave scores in both games."""
    (first, one), (second, other) = kept
    names = [np.unique(target.subjects) for target in (one, other)]
    people = np.intersect1d(names[0], names[1])
    rows = [np.flatnonzero(np.isin(each, people)) for each in names]
    scores = [dict(zip(family.scores.names, family.scores.found, strict=True)) for family in (first, second)]
    found = [
        SwapScores(
            name,
            np.asarray(scores[0][name].values, dtype=np.float64)[rows[0]],
            np.asarray(scores[1][name].values, dtype=np.float64)[rows[1]],
        )
        for name in scores[0]
        if name in scores[1]
    ]
    subjects = np.concatenate([np.asarray(side.people.subjects).astype(str) for side in sides])
    labels = [given for side in sides for given in side.people.label_sets()]
    everybody, counts = np.unique(subjects, return_counts=True)
    strata = strata_of(subjects, labels, everybody, counts)[np.isin(everybody, people)]
    return membership_of(
        found,
        np.isin(people, sides[0].people.names),
        strata,
        permutations=config.permutations,
        confidence=config.confidence,
        rng=numpy_rng(seed, "audit", "swap"),
    )
