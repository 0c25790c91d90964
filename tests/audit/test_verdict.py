"""The table of verdicts, and how bounds are told."""

from __future__ import annotations

import pytest

from unpersonal.audit.figures import AttackTest, MixtureRow, Placebo, Planted
from unpersonal.audit.verdict import claim, decide, rounded_up


def pieces(p: float = 0.5, power: float = 0.9, difference: bool = False) -> tuple[list[AttackTest], Planted, Placebo]:
    planted = Planted(100, power, power - 0.1, (), (MixtureRow(0.1, 100, 0.1, 0.01, True, True),))
    return [AttackTest("isolation", 0.1, p, p)], planted, Placebo(50, 0.0, 0.01, 0.5, 0.5, difference)


@pytest.mark.parametrize(
    ("p", "upper", "power", "difference", "verdict", "reasons"),
    [
        (0.5, 0.03, 0.9, False, "pass", 0),
        (0.025, 0.03, 0.9, False, "fail", 1),
        (0.5, 0.0501, 0.9, False, "inconclusive", 1),
        (0.5, 0.05, 0.79, False, "inconclusive", 1),
        (0.5, 0.03, 0.9, True, "inconclusive", 1),
        (0.01, 0.2, 0.5, True, "fail", 4),
    ],
)
def test_verdict_table(p: float, upper: float, power: float, difference: bool, verdict: str, reasons: int) -> None:
    tests, planted, placebo = pieces(p, power, difference)
    found = decide(
        tests,
        advantage_upper=upper,
        policy_upper=0.05,
        planted=planted,
        planted_power=0.8,
        placebo=placebo,
        alpha=0.025,
    )
    assert found[0] == verdict and len(found[1]) == reasons


def test_claim_is_bounded() -> None:
    assert claim(0.031, 1 / 45_000, 0.975).startswith("no tested attacker isolated training subjects more often")
    assert "secure" not in claim(0.031, 1 / 45_000, 0.975)


def test_an_upper_bound_is_never_rounded_down() -> None:
    assert "more than 0.032 (" in claim(0.0311, 1 / 45_000, 0.975)
    assert "more than 0.031 (" in claim(0.031, 1 / 45_000, 0.975) and "more than 0.000 (" in claim(0, 1 / 45_000, 0.975)
    for bound in (0.0501, 0.05049):
        assert rounded_up(bound) == "0.051"
