"""The verdict: fail, inconclusive or pass, with readable reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .figures import AttackTest, Placebo, Planted, Verdict


def decide(
    tests: Sequence[AttackTest],
    *,
    advantage_upper: float,
    policy_upper: float,
    planted: Planted,
    planted_power: float,
    placebo: Placebo,
    alpha: float,
    certified: bool = True,
    shortfalls: Sequence[str] = (),
) -> tuple[Verdict, tuple[str, ...]]:
    """`fail` if any Holm-adjusted p <= alpha; else `inconclusive` for any shortfall of the audit itself; else `pass`.

    `shortfalls` are those that the caller has found, such as an attack that could not be run. Returns the verdict and
    its reasons: all that apply, whatever the verdict; none for a pass.
    """
    found = [test for test in tests if test.p_adjusted <= alpha]
    failures = [
        f"{test.name.replace('_', ' ')}: train and control subjects differ"
        f" (statistic {test.statistic:.3f}, Holm-adjusted p = {test.p_adjusted:.4f})"
        for test in found
    ]
    lacking = list(shortfalls)
    if advantage_upper > policy_upper:
        lacking.append(
            f"the upper bound of the advantage, {rounded_up(advantage_upper)}, is above the policy's {policy_upper:g}"
        )
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
    if not certified:
        lacking.append(
            "control subjects satisfy the predicates more often than the weight allows, so it cannot be stated"
        )
    verdict: Verdict = "fail" if failures else "inconclusive" if lacking else "pass"
    return verdict, tuple(failures + lacking)


def rounded_up(bound: float) -> str:
    """An upper bound with three digits behind the point; rounding must never make it smaller than it is."""
    return f"{math.ceil(round(bound * 1000, 6)) / 1000:.3f}"


def claim(upper: float, weight: float, confidence: float) -> str:
    """What the audit allows to be said, never more: that no attacker who was tested did better than a bound."""
    return (
        "no tested attacker isolated training subjects more often than control subjects by more than"
        f" {rounded_up(upper)} ({confidence:.1%} one-sided upper bound), at predicate weight <= {weight:.3g}"
    )
