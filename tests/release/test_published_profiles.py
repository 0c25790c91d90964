"""What a published profile allows, and where a policy allows more."""

from __future__ import annotations

from typing import Any

import pytest

from unpersonal.audit.profiles import PROFILES
from unpersonal.matching.kinds import MAY_BE_BLIND, MAY_BE_BLIND_UNDER_AGREEMENT, names, promised
from unpersonal.presets import PRESETS
from unpersonal.release.policy import AT_LEAST, LIMITS, MARGINS, PolicyConfig
from unpersonal.release.published_profiles import looser_than_published, published


@pytest.mark.parametrize("name", PROFILES)
def test_a_published_profile_is_not_looser_than_itself_nor_is_its_default(name: Any) -> None:
    assert looser_than_published(published(name)) == {}
    assert looser_than_published(PolicyConfig(profile=name)) == {}


def test_no_profile_lets_a_promised_kind_be_overlooked() -> None:
    assert set(MAY_BE_BLIND) < set(MAY_BE_BLIND_UNDER_AGREEMENT) <= set(names())
    assert not set(MAY_BE_BLIND_UNDER_AGREEMENT) & set(promised())
    assert looser_than_published(PolicyConfig(**PRESETS["demo"]["policy"])) == {}


@pytest.mark.parametrize("key", (*LIMITS, *MARGINS))
def test_each_limit_that_is_looser_is_named(key: str) -> None:
    usual = getattr(published("open"), key)
    value = usual / 2 if key in AT_LEAST else min(2 * usual, 1.0) if usual < 1 else 2 * usual
    assert list(looser_than_published(PolicyConfig(**{key: value}))) == [key]
    stricter = min(usual * 1.1, 1.0) if key in AT_LEAST else max(usual * 0.95, 0.5 if "membership" in key else 0)
    assert looser_than_published(PolicyConfig(**{key: int(stricter) if isinstance(usual, int) else stricter})) == {}


def test_so_is_a_kind_that_may_be_overlooked() -> None:
    found = looser_than_published(PolicyConfig(may_be_blind=("mirror", "zoom 0.7")))
    assert "zoom 0.7" in found["may_be_blind"] and "mirror" in found["may_be_blind"]
    signed = looser_than_published(PolicyConfig(profile="agreement", may_be_blind=("mirror", "zoom 0.7")))
    assert "mirror" in signed["may_be_blind"] and "zoom" not in signed["may_be_blind"]
