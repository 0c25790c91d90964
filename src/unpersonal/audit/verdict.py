"""The verdict: fail, inconclusive or pass, with readable reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .figures import AttackTest, Placebo, Planted, Verdict
from .profiles import IN_WORDS, Profile, in_words
from .rows import PrimaryRow, Sham

FAR = 100
"""How many times as many people as there are nobody will find."""


def decide(
    primary: Sequence[PrimaryRow],
    tests: Sequence[AttackTest],
    *,
    people: int,
    profile: Profile,
    planted: Planted,
    planted_power: float,
    placebo: Placebo,
    sham: Sham | None,
    alpha: float,
    certified: bool = True,
    findings: Sequence[str] = (),
    shortfalls: Sequence[str] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """`fail` for a primary figure above its margin, a finding, or a single test with Holm-adjusted p <= alpha; else
    `inconclusive` for a primary figure that is not within its margin or a shortfall of the audit itself; else `pass`.

    `people` train. `findings` are failures and `shortfalls` are lacks that the caller has found, such as a copied
    person or an attack that could not be run. Returns the verdict and its reasons: all that apply, whatever the
    verdict; none for a pass.
    """
    failures = [*findings, *(above(row) for row in primary if row.outcome == "above")]
    failures += [
        f"{test.name.replace('_', ' ')}: train and control subjects differ"
        f" (statistic {test.statistic:.3f}, Holm-adjusted p = {test.p_adjusted:.4f})"
        for test in tests
        if test.p_adjusted <= alpha
    ]
    lacking = [*shortfalls, *(undecided(row, people) for row in primary if row.outcome == "undecided")]
    if not primary:
        lacking.append("no attack gave a primary figure, so nothing is known")
    if planted.power < planted_power:
        lacking.append(
            f"only {planted.power:.0%} of {planted.copies} planted copies isolated their own subject"
            f" ({planted_power:.0%} needed), so a leak could go unseen"
        )
    if placebo.difference:
        lacking.append(
            "train and control subjects differ even by predicates that no release can have leaked into"
            f" (p = {min(placebo.isolation_p, placebo.distance_p):.4f}), so they cannot be compared"
        )
    if sham is not None and sham.difference:
        lacking.append(
            "attacks tell train from control subjects even by a sham release of other people"
            f" (adjusted p = {sham.p:.4f}), so they cannot be compared"
        )
    if not certified:
        lacking.append(
            "control subjects satisfy the predicates more often than the weight allows, so it cannot be stated"
        )
    if not profile.releasable:
        lacking.append(f"the profile {profile.name} allows no release: {profile.who}")
    verdict: Verdict = "fail" if failures else "inconclusive" if lacking else "pass"
    return verdict, tuple(failures + lacking)


def above(row: PrimaryRow) -> str:
    """The reason for a fail that a primary figure with such an outcome gives."""
    return (
        f"{IN_WORDS[row.name]}: the lower bound {rounded_down(row.lower)} is above the margin {row.margin:g}"
        f" ({row.value:.3f}, by {row.attack.replace('_', ' ')})"
    )


def undecided(row: PrimaryRow, people: int) -> str:
    """The reason why nothing can pass that a primary figure with such an outcome gives, with `people` who train."""
    if row.needed is not None and row.needed > FAR * people:
        more = f"no number of people within reach would decide it: not even {FAR} times as many"
    elif row.needed is not None:
        more = f"with {row.needed} train people, and control people in proportion, the same figure would be within it"
    elif row.value < row.margin:
        more = "more people or released images would decide it"
    else:
        more = "the measured value itself lies above it: more people would show whether by chance, and decide it"
    return (
        f"{IN_WORDS[row.name]}: the upper bound {rounded_up(row.upper)} is above the margin {row.margin:g}"
        f" ({row.value:.3f}, by {row.attack.replace('_', ' ')}); {more}"
    )


def rounded_down(bound: float) -> str:
    """A lower bound with three digits behind the point, never more than it is."""
    return f"{math.floor(round(bound * 1000, 6)) / 1000:.3f}"


def rounded_up(bound: float) -> str:
    """An upper bound with three digits behind the point; rounding must never make it smaller than it is."""
    return f"{math.ceil(round(bound * 1000, 6)) / 1000:.3f}"


def claim(
    primary: Sequence[PrimaryRow], weight: float, confidence: float, profile: Profile, *, model: bool = False
) -> str:
    """What the audit allows to be said, never more: that no attacker who was tested did better than the bounds.

    `model` says that the attacker had the trained model beside the release.
    """
    bounds = ", ".join(f"{IN_WORDS[row.name]} {rounded_up(row.upper)}" for row in primary)
    holds = "the release and the trained model" if model else "the release, and not the trained model,"
    return (
        f"no tested attacker who holds {holds} did better than these one-sided {percent(confidence)} upper bounds:"
        f" {bounds or 'none was measured'}; predicate weight <= {weight:.3g};"
        f" margins of the profile {in_words(profile)}"
    )


def percent(confidence: float) -> str:
    """A confidence in percent, with as many of three digits behind the point as it has, never more than it is."""
    whole, digits = f"{math.floor(round(confidence * 1e5, 6)) / 1000:.3f}".split(".")
    return f"{whole}.{digits.rstrip('0') or '0'}%"
