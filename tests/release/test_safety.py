"""Settings that guard people: what a study weakened is told in card and evidence, what it strengthened is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unpersonal.core.records import StageRecord
from unpersonal.judges.config import JudgesConfig
from unpersonal.release import safety
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig, check
from unpersonal.release.safety import weaker_settings
from unpersonal.release.stage import run_stage


def recorded(table: str, **settings: Any) -> dict[str, StageRecord]:
    """The record of a stage that ran with the settings of one table, at their defaults but for those given."""
    defaults = safety._tables()[table]().model_dump(mode="json")
    facts: dict[str, Any] = {"inputs": {}, "outputs": {}, "figures": {}, "seconds": 0.0, "versions": {}, "plugins": []}
    return {table: StageRecord(stage=table, key="", config={table: {**defaults, **settings}}, **facts)}


@pytest.mark.parametrize("table", ["judges", "diffusion", "synthesis", "audit"])
def test_defaults_are_not_weaker(table: str) -> None:
    assert weaker_settings(recorded(table)) == ()


@pytest.mark.parametrize(
    ("table", "settings", "said"),
    [
        ("judges", {"matchers": ["parts"]}, "judges.matchers without mixtures, poses"),
        ("judges", {"overfitted": 0}, "judges.overfitted = 0 (default 48)"),
        ("judges", {"gallery_views": 1}, "judges.gallery_views = 1 (default 11)"),
        ("diffusion", {"max_match_rate": 1.0}, "diffusion.max_match_rate = 1 (default 0.05)"),
        ("diffusion", {"stop_memorising": False}, "diffusion.stop_memorising is off"),
        ("synthesis", {"blend": 1}, "synthesis.blend = 1 (default"),
        ("audit", {"attacks": []}, "audit.attacks without "),
    ],
)
def test_what_is_weaker_is_told_with_its_default(table: str, settings: dict[str, Any], said: str) -> None:
    [found] = weaker_settings(recorded(table, **settings))
    assert found.startswith(said)


def test_what_is_stronger_is_not_told() -> None:
    more = {"seeds": JudgesConfig().seeds + 1, "miss_target": 0.001, "matchers": ["mixtures", "parts", "poses", "more"]}
    assert weaker_settings(recorded("judges", **more)) == ()
    assert weaker_settings({}) == ()


def test_card_and_evidence_tell_them(make_study: Callable[..., Path], figures: StudyFigures) -> None:
    study, weak = make_study(), replace(figures, weaker=("diffusion.max_match_rate = 1 (default 0.05)",))
    assert check(PolicyConfig(), figures)[1] == []
    result = run_stage(study, policy=PolicyConfig(), seed=5, figures=weak)
    assert result.shortfalls == (
        "Settings that guard people were weaker than the default: diffusion.max_match_rate = 1 (default 0.05)",
    )
    card = " ".join((study / "release" / "README.md").read_text(encoding="utf-8").split())
    assert f"{result.shortfalls[0]}." in card
    assert "max_match_rate = 1 (default 0.05)" in (study / "release" / "evidence.json").read_text(encoding="utf-8")
