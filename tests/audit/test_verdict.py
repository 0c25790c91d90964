"""The table of verdicts, and how bounds are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unpersonal.audit.figures import AttackTest, Placebo, Planted
from unpersonal.audit.profiles import MEMBERSHIP, PROFILES
from unpersonal.audit.rows import Outcome, PrimaryRow, Sham
from unpersonal.audit.verdict import claim, decide, percent, rounded_down, rounded_up


def row(outcome: Outcome = "within", upper: float = 0.53, needed: int | None = None) -> PrimaryRow:
    lower = 0.56 if outcome == "above" else 0.48
    return PrimaryRow(MEMBERSHIP, "membership_by_distance", 0.51, lower, upper, 0.55, outcome, needed)


def decided(
    outcome: Outcome = "within",
    *,
    p: float = 0.5,
    power: float = 0.9,
    placebo: bool = False,
    sham: bool = False,
    profile: str = "open",
    **more: Any,
) -> tuple[str, tuple[str, ...]]:
    return decide(
        [row(outcome)],
        [AttackTest("theirs", 0.1, p, p)],
        people=300,
        profile=PROFILES[profile],
        planted=Planted(100, power, power - 0.1, ()),
        planted_power=0.8,
        placebo=Placebo(50, 0.0, 0.01, 0.5, 0.5, placebo),
        sham=Sham(50, 3, 0.6, 0.001, sham),
        alpha=0.025,
        **more,
    )


@pytest.mark.parametrize(
    ("given", "verdict", "reasons"),
    [
        ({}, "pass", 0),
        ({"outcome": "above"}, "fail", 1),
        ({"outcome": "undecided"}, "inconclusive", 1),
        ({"p": 0.025}, "fail", 1),
        ({"power": 0.79}, "inconclusive", 1),
        ({"placebo": True}, "inconclusive", 1),
        ({"sham": True}, "inconclusive", 1),
        ({"certified": False}, "inconclusive", 1),
        ({"shortfalls": ("an attack is missing",)}, "inconclusive", 1),
        ({"findings": ("one person was copied",)}, "fail", 1),
        ({"profile": "internal"}, "inconclusive", 1),
        ({"outcome": "above", "p": 0.01, "power": 0.5, "placebo": True, "sham": True}, "fail", 5),
    ],
)
def test_verdict_table(given: dict[str, Any], verdict: str, reasons: int) -> None:
    found = decided(**given)
    assert found[0] == verdict and len(found[1]) == reasons


def test_nothing_measured_is_no_pass() -> None:
    found = decide(
        [],
        [],
        people=300,
        profile=PROFILES["open"],
        planted=Planted(100, 1.0, 0.9, ()),
        planted_power=0.8,
        placebo=Placebo(50, 0.0, 0.5, 0.5, 0.5, False),
        sham=None,
        alpha=0.025,
    )
    assert found[0] == "inconclusive" and "nothing is known" in found[1][0]


def test_what_would_decide_is_told() -> None:
    for needed, said in (
        (2_400, "with 2400 train people"),
        (30_000, "with 30000 train people"),
        (30_001, "no number of people within reach would decide it: not even 100 times as many"),
        (None, "more people or released images"),
        (None, "the measured value itself lies above it"),
    ):
        undecided = row("undecided", upper=0.56, needed=needed)
        if "itself" in said:
            undecided = replace(undecided, value=0.555)
        _, reasons = decide(
            [undecided],
            [],
            people=300,
            profile=PROFILES["open"],
            planted=Planted(100, 1.0, 0.9, ()),
            planted_power=0.8,
            placebo=Placebo(50, 0.0, 0.5, 0.5, 0.5, False),
            sham=None,
            alpha=0.025,
        )
        assert said in reasons[0]


def test_claim_is_bounded() -> None:
    said = claim([row()], 1 / 45_000, 0.975, PROFILES["agreement"])
    assert said.startswith("no tested attacker who holds the release, and not the trained model, did better than")
    assert "0.530" in said
    assert "agreement" in said and "secure" not in said


def test_a_bound_is_never_rounded_to_the_better_side() -> None:
    for bound in (0.0501, 0.05049):
        assert rounded_up(bound) == "0.051" and rounded_down(bound) == "0.050"
    assert rounded_up(0.031) == "0.031" == rounded_down(0.031) and rounded_up(0) == "0.000"


def test_the_claim_tells_margins_that_are_not_the_profiles() -> None:
    for profile, said in (
        (PROFILES["open"], "margins of the profile open"),
        (
            replace(PROFILES["open"], auroc=0.9),
            "margins of the profile open, but for AUROC of membership 0.9 in place of 0.55",
        ),
    ):
        assert claim((), 0.001, 0.975, profile).endswith(said)


def test_a_confidence_is_never_told_as_more_than_it_is() -> None:
    given = (0.975, 0.98, 0.9975, 1 - 0.005 / 6, 1 - 1e-7)
    assert [percent(each) for each in given] == ["97.5%", "98.0%", "99.75%", "99.916%", "99.999%"]
