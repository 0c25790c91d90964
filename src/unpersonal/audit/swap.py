"""Swap: two generators, each of one half of the people; each half is control of the other.

What is audited is the procedure, not one trained generator: who trained which was a matter of chance, and the images of
both together are the release. Two games are played. What they say of membership is joined person by person
(`swap_scores`); isolation counts the people of both; the rest holds if it holds in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import InputError
from ..core.seeds import numpy_rng
from ..matching.strangers import pick_strangers
from ..metrics.intervals import clopper_pearson_upper
from .config import AuditConfig
from .evaluate import audit_images
from .family import Family
from .figures import AuditFigures, Verdict
from .images import Labels, SubjectImages
from .profiles import INFERENCE, ISOLATED, MEMBERSHIP, PROFILES, TRUE_POSITIVES, Profile, margins_of
from .repeats import find_repeats
from .resolution import Reading
from .result import AuditResult, told
from .rows import Outcome, PrimaryRow
from .swap_figures import SwapFigures, SwapMembership
from .swap_scores import SwapScores, membership_of
from .target import Target, strata_of
from .unlabelled import worse_rows
from .verdict import above, claim, undecided

MOST_SHARED = 0.02
"""Share of the pictures of a release that may look like one of the other by chance."""
PROCEDURE = (
    "what was audited is the procedure: two generators, each trained on one half of these people; each image was held"
    " against its own half, with the other half as control"
)
OF_FIRST = (
    "two games were played: rows of single attacks, planted copies, weights and tails are those of the first;"
    " primary figures, verdict and reasons are of both"
)


@dataclass(frozen=True)
class SwapSide:
    """Half of the people, and what a generator made of them.

    `released` uint8 [m,C,H,W]; `pictures` int64 [m] as in `audit_images`; `labels` those of the released images.
    """

    people: SubjectImages
    released: np.ndarray
    pictures: np.ndarray | None = None
    labels: Labels | None = None


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
) -> SwapResult:
    """Audit a procedure by two of its releases; see `audit_images` for what both have in common.

    Halves may differ by one person in twenty at most, else `InputError`: who has no partner is not compared.
    """
    config = config or AuditConfig()
    sizes = [len(side.people.names) for side in (first, second)]
    if abs(sizes[0] - sizes[1]) > max(1, sum(sizes) // 20):
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
                keep=kept,
            )
        )
    membership = _membership(kept, (first, second), config, seed)
    return SwapResult(_joined(results[0], results[1], membership, config, profile), (results[0], results[1]))


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


def _joined(
    first: AuditResult,
    second: AuditResult,
    membership: tuple[SwapMembership, ...],
    config: AuditConfig,
    profile: Profile,
) -> AuditFigures:
    """The figures of both games as one."""
    games = first.figures, second.figures
    primary = _primary(games, membership, config, profile)
    verdict, reasons = _verdict(games, primary)
    isolated = next((row.upper for row in primary if row.name == ISOLATED), 1.0)
    people = sum(told(game.train_subjects) for game in games)
    weight = max(told(game.weight) for game in games)
    return replace(
        games[0],
        verdict=verdict,
        reasons=reasons,
        notes=(OF_FIRST, *games[0].notes, *(note for note in games[1].notes if note not in games[0].notes)),
        claim=f"{claim(primary, weight, config.confidence, profile)}; {PROCEDURE}",
        primary=primary,
        advantage_upper=isolated,
        weight=weight,
        train_subjects=people,
        control_subjects=people,
        confidence=config.confidence,
        alpha=config.alpha,
        blind=tuple(sorted({kind for game in games for kind in told(game.blind)})),
        swap=SwapFigures(
            people=people,
            first_people=told(games[0].train_subjects),
            second_people=told(games[1].train_subjects),
            first_released=told(games[0].released),
            second_released=told(games[1].released),
            first_verdict=games[0].verdict,
            second_verdict=games[1].verdict,
            membership=membership,
        ),
    )


def _verdict(
    games: tuple[AuditFigures, AuditFigures], primary: Sequence[PrimaryRow]
) -> tuple[Verdict, tuple[str, ...]]:
    """`fail` if either game fails or a joined figure is above its margin; what only one game could not decide may be
    decided by both together."""
    failures = [above(row) for row in primary if row.outcome == "above"]
    people = sum(told(game.train_subjects) for game in games)
    lacking = [undecided(row, people) for row in primary if row.outcome == "undecided"]
    for half, game in zip(("first", "second"), games, strict=True):
        own_people = told(game.train_subjects)
        settled = {undecided(row, own_people) for row in told(game.primary) if row.outcome == "undecided"}
        own = [f"{half} game: {reason}" for reason in game.reasons if reason not in settled]
        (failures if game.verdict == "fail" else lacking).extend(own)
    if not primary:
        lacking.append("no attack gave a primary figure, so nothing is known")
    failed = failures or any(game.verdict == "fail" for game in games)
    verdict: Verdict = "fail" if failed else "inconclusive" if lacking else "pass"
    return verdict, (*failures, *lacking)


def _primary(
    games: tuple[AuditFigures, AuditFigures],
    membership: Sequence[SwapMembership],
    config: AuditConfig,
    profile: Profile,
) -> tuple[PrimaryRow, ...]:
    """Primary figures of both games together."""
    margins = margins_of(profile)
    pooled: dict[str, list[tuple[str, float, float, float]]] = {
        MEMBERSHIP: [(row.name, row.auroc, row.auroc_lower, row.auroc_upper) for row in membership],
        TRUE_POSITIVES: [(row.name, row.tpr, row.tpr_lower, row.tpr_upper) for row in membership],
        ISOLATED: _isolated(games, config.confidence),
        INFERENCE: _inference(games),
    }
    joined = {name: _row(name, margins[name], found) for name, found in pooled.items() if found}
    worse = worse_rows(*(told(game.primary) for game in games))
    return tuple(joined.get(row.name, row) for row in worse)


def _row(name: str, margin: float, found: Sequence[tuple[str, float, float, float]]) -> PrimaryRow:
    """The attack with the largest upper bound; (attack, value, lower, upper) of all."""
    lower, upper = max(each[2] for each in found), max(each[3] for each in found)
    outcome: Outcome = "above" if lower > margin else "within" if upper <= margin else "undecided"
    strongest = max(found, key=lambda each: each[2] if outcome == "above" else each[3])
    return PrimaryRow(name, strongest[0], strongest[1], lower, upper, margin, outcome, None)


def _isolated(games: tuple[AuditFigures, AuditFigures], confidence: float) -> list[tuple[str, float, float, float]]:
    """People isolated at least once, each by the release of its own half: the exact bound over all of them.

    Lower bounds of the games, which hold together, are averaged by their numbers of people.
    """
    people = [told(game.train_subjects) for game in games]
    rows = [{row.name: row for row in told(game.isolation) if row.weight <= told(game.weight)} for game in games]
    found = []
    for name in (name for name in rows[0] if name in rows[1]):
        pair = rows[0][name], rows[1][name]
        hits = sum(round(row.isolated * count) for row, count in zip(pair, people, strict=True))
        lower = sum(row.excess_lower * count for row, count in zip(pair, people, strict=True)) / sum(people)
        found.append((name, hits / sum(people), lower, clopper_pearson_upper(hits, sum(people), confidence)))
    return found


def _inference(games: tuple[AuditFigures, AuditFigures]) -> list[tuple[str, float, float, float]]:
    """Means over the two games; so are the bounds, which hold in both."""
    rows = [{row.name: row for row in told(game.inference)} for game in games]
    return [
        (
            name,
            (one.above + other.above) / 2.0,
            (one.above_lower + other.above_lower) / 2.0,
            (one.above_upper + other.above_upper) / 2.0,
        )
        for name, one in rows[0].items()
        if (other := rows[1].get(name)) is not None
    ]
