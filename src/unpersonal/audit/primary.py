"""Primary figures: what the verdict is made of, each with its margin, and what would decide where nothing does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .bounds import Estimate, needed_subjects, needed_trials, z_of
from .membership_rows import Membership
from .profiles import IN_WORDS, INFERENCE, ISOLATED, MEMBERSHIP, TOP, TRUE_POSITIVES, Profile, margins_of
from .rows import InferenceRow, IsolationRow, Outcome, PrimaryRow


@dataclass(frozen=True)
class _Candidate:
    attack: str
    value: float
    lower: float
    upper: float
    needed: int | None


def primary_rows(
    membership: Membership,
    isolation: Sequence[IsolationRow],
    inference: Sequence[InferenceRow],
    profile: Profile,
    *,
    confidence: float,
    people: int,
) -> tuple[PrimaryRow, ...]:
    """All primary figures of which something was measured; `people` = number of train subjects."""
    z = z_of(confidence)

    def more(estimate: Estimate, margin: float) -> int | None:
        return needed_subjects(estimate, margin, z, people)

    pairs = list(zip(membership.rows, membership.estimates, strict=True))
    candidates: dict[str, list[_Candidate]] = {
        MEMBERSHIP: [
            _Candidate(
                row.name,
                row.auroc,
                row.auroc_lower,
                row.auroc_upper,
                # no number of people takes back what was seen
                None if (row.auroc_observed or 0.0) > profile.auroc else more(estimates[0], profile.auroc),
            )
            for row, estimates in pairs
        ],
        TRUE_POSITIVES: [
            _Candidate(row.name, row.tpr, row.tpr_lower, row.tpr_upper, more(estimates[1], profile.tpr))
            for row, estimates in pairs
        ],
        ISOLATED: [_isolated(row, profile.isolated, confidence) for row in isolation],
        TOP: [found for row in isolation for found in _top(row)],
        INFERENCE: [_Candidate(row.name, row.above, row.above_lower, row.above_upper, None) for row in inference],
    }
    margins = margins_of(profile)
    return tuple(_strongest(name, margins[name], found) for name, found in candidates.items() if found)


def unmeasured(primary: Sequence[PrimaryRow]) -> tuple[str, ...]:
    """Why nothing can pass where a primary figure was not measured at all."""
    measured = {row.name for row in primary}
    return tuple(f"{IN_WORDS[name]}: nothing was measured of it" for name in IN_WORDS if name not in measured)


def _isolated(row: IsolationRow, margin: float, confidence: float) -> _Candidate:
    needed = needed_trials(row.isolated, margin, confidence)
    return _Candidate(row.name, row.isolated, row.excess_lower, row.isolated_upper, needed)


def _top(row: IsolationRow) -> Iterable[_Candidate]:
    """All numbers of predicates can fail; only the largest of them must have its bound within."""
    for top in row.top:
        upper = top.success_upper if top is row.top[-1] else 0.0
        yield _Candidate(f"{row.name} (top {top.predicates})", top.success, top.success_lower, upper, None)


def _strongest(name: str, margin: float, found: Sequence[_Candidate]) -> PrimaryRow:
    strongest, lower = max(found, key=lambda each: each.upper), max(each.lower for each in found)
    outcome: Outcome = "above" if lower > margin else "within" if strongest.upper <= margin else "undecided"
    if outcome == "above":
        strongest = max(found, key=lambda each: each.lower)
    return PrimaryRow(
        name=name,
        attack=strongest.attack,
        value=strongest.value,
        lower=lower,
        upper=max(each.upper for each in found),
        margin=margin,
        outcome=outcome,
        needed=strongest.needed if outcome == "undecided" else None,
    )
