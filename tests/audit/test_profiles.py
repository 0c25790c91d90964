"""Profiles: what their margins are, and that none is wider than it says."""

from __future__ import annotations

from dataclasses import fields

import pytest

from unpersonal.audit.profiles import PROFILES, margins_of
from unpersonal.release.policy import MARGINS, PolicyConfig, looser


def test_margins_of_the_profiles() -> None:
    assert (PROFILES["open"].auroc, PROFILES["open"].tpr) == (0.55, 0.03)
    assert (PROFILES["agreement"].auroc, PROFILES["agreement"].tpr) == (0.60, 0.06)
    for name, margin in margins_of(PROFILES["agreement"]).items():
        assert margin >= margins_of(PROFILES["open"])[name]
    assert [name for name, profile in PROFILES.items() if not profile.releasable] == ["internal"]
    assert set(MARGINS.values()) <= {field.name for field in fields(PROFILES["open"])}


@pytest.mark.parametrize(("key", "margin"), MARGINS.items())
def test_a_margin_of_the_policy_stands_in_the_place_of_the_profiles(key: str, margin: str) -> None:
    usual = getattr(PROFILES["open"], margin)
    for value, told in (
        (usual + 0.01, True),
        (usual, False),
        (max(usual - 0.01, 0.5 if margin == "auroc" else 0), False),
    ):
        policy = PolicyConfig(**{key: value})
        assert getattr(policy.margins(), margin) == value and (key in looser(policy)) is told
    assert looser(PolicyConfig()) == {} and "profile" in looser(PolicyConfig(profile="agreement"))
