"""Both games of a swap as one: the figures, the verdict and the claim of the procedure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..metrics.intervals import clopper_pearson_upper
from .config import AuditConfig
from .copied_figures import Copied, Detectable
from .dropping import leak_claim
from .figures import AuditFigures, Verdict
from .notes import CANNOT_PASS, too_few
from .profiles import INFERENCE, ISOLATED, MEMBERSHIP, TRUE_POSITIVES, Profile, margins_of
from .resolution import with_form
from .result import AuditResult, told
from .rows import Outcome, PrimaryRow
from .swap_figures import SwapFigures, SwapMembership
from .unlabelled import worse_rows
from .verdict import above, claim, undecided

PROCEDURE = (
    "what was audited is the procedure: two generators, each trained on one half of these people; each image was held"
    " against its own half, with the other half as control"
)
OF_FIRST = (
    "two games were played: rows of single attacks, planted copies, weights and tails are those of the first;"
    " primary figures, copied people, the least leak, verdict and reasons are of both"
)


def joined_figures(
    first: AuditResult,
    second: AuditResult,
    membership: tuple[SwapMembership, ...],
    config: AuditConfig,
    profile: Profile,
    model: bool,
) -> AuditFigures:
    """The figures of both games as one."""
    games = first.figures, second.figures
    primary = _primary(games, membership, config, profile)
    verdict, reasons = _verdict(games, primary)
    isolated = next((row.upper for row in primary if row.name == ISOLATED), 1.0)
    people = sum(told(game.train_subjects) for game in games)
    weight = max(told(game.weight) for game in games)
    detectable = _worse_detectable(games)
    said = f"{claim(primary, weight, config.confidence, profile, model=model)}; {leak_claim(detectable)}"
    return replace(
        games[0],
        verdict=verdict,
        reasons=reasons,
        notes=(OF_FIRST, *_notes(games, people, profile, config)),
        claim=f"{with_form(said, games[0].reading)}; {PROCEDURE}",
        copied=_worse_copied(games),
        detectable=detectable,
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


def _notes(games: tuple[AuditFigures, AuditFigures], people: int, profile: Profile, config: AuditConfig) -> list[str]:
    """Notes of both games; whether there are people enough is a matter of both together."""
    found = dict.fromkeys(note for game in games for note in game.notes if not note.endswith(CANNOT_PASS))
    return [*too_few(people, profile, config.confidence), *found]


def _worse_copied(games: tuple[AuditFigures, AuditFigures]) -> Copied:
    """The search in the release that shows more people, or of which less is known."""

    def badness(copied: Copied) -> tuple[float, ...]:
        # a count below five is told as a text
        counts = (copied.images, copied.people, copied.control_images)
        return (copied.found, not copied.carried, *(count if isinstance(count, int) else 0 for count in counts))

    return max((told(game.copied) for game in games), key=badness)


def _worse_detectable(games: tuple[AuditFigures, AuditFigures]) -> Detectable:
    """Of every kind the row of the game that would have found it later."""
    one, other = (told(game.detectable) for game in games)
    rows = {row.kind: row for row in one.kinds}
    for row in other.kinds:
        rows[row.kind] = max(rows.get(row.kind, row), row, key=lambda each: -each.seen_lower)
    known = one.persons is not None and other.persons is not None
    return replace(
        one,
        persons=max(one.persons or 0, other.persons or 0) if known else None,
        blind=tuple(row.kind for row in rows.values() if row.persons is None),
        kinds=tuple(rows.values()),
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
