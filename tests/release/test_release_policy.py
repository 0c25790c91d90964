"""The policy fails closed: every figure that is absent, not a number or beyond its limit refuses, by name."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.release.policy import PolicyConfig, check

GOOD: dict[str, Any] = {
    "audit": {"verdict": "pass", "advantage_upper": 0.03},
    "gate": {"miss_rate_upper": 0.009, "false_flag_rate": 0.1},
    "utility": {"gap_upper": 0.02},
    "synthesis": {"released": 120},
    "diffusion": {
        "denoiser_memorised": False,
        "denoiser_ended_early": None,
        "guide_memorised": False,
        "horizontal_flip": False,
    },
}
BOUNDED = [("audit", "advantage_upper", 0.05), ("gate", "miss_rate_upper", 0.01), ("utility", "gap_upper", 0.05)]


def changed(room: str, name: str, value: Any) -> dict[str, Any]:
    figures = copy.deepcopy(GOOD)
    if value is ...:
        del figures[room][name]
    else:
        figures[room][name] = value
    return figures


def test_good_figures_pass() -> None:
    assert check(PolicyConfig(), GOOD) == ([], [])


@pytest.mark.parametrize(("room", "name", "limit"), BOUNDED)
def test_a_figure_at_its_limit_passes_and_just_above_refuses(room: str, name: str, limit: float) -> None:
    assert check(PolicyConfig(), changed(room, name, limit)) == ([], [])
    value = math.nextafter(limit, 1.0)
    reasons, _ = check(PolicyConfig(), changed(room, name, value))
    assert len(reasons) == 1
    assert f"{room}.{name}" in reasons[0] and f"{limit:g}" in reasons[0]


@pytest.mark.parametrize("value", [..., None, math.nan, math.inf, -math.inf, "0.0", True, [], -2.0, 1.5])
@pytest.mark.parametrize(
    ("room", "name"), [*(item[:2] for item in BOUNDED), ("gate", "false_flag_rate"), ("synthesis", "released")]
)
def test_what_is_no_possible_number_refuses(room: str, name: str, value: Any) -> None:
    if name == "released" and value == 1.5:
        return
    reasons, shortfalls = check(PolicyConfig(), changed(room, name, value))
    assert len(reasons) == 1 and f"{room}.{name}" in reasons[0]
    assert shortfalls == []


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "PASS", None, ..., True, ["pass"]])
def test_only_the_verdict_pass_passes(verdict: Any) -> None:
    reasons, _ = check(PolicyConfig(), changed("audit", "verdict", verdict))
    assert len(reasons) == 1 and reasons[0].startswith("audit.verdict")


@pytest.mark.parametrize("room", list(GOOD))
@pytest.mark.parametrize("value", [None, [], "x", ...])
def test_a_room_that_is_absent_refuses(room: str, value: Any) -> None:
    figures = copy.deepcopy(GOOD)
    if value is ...:
        del figures[room]
    else:
        figures[room] = value
    assert check(PolicyConfig(), figures)[0]


def test_no_figures_name_every_rule() -> None:
    reasons, _ = check(PolicyConfig(), {})
    assert len(reasons) == 9


def test_no_released_image_refuses() -> None:
    assert check(PolicyConfig(), changed("synthesis", "released", 0))[0]


def test_false_flags_above_budget_are_a_shortfall_and_no_refusal() -> None:
    reasons, shortfalls = check(PolicyConfig(), changed("gate", "false_flag_rate", 0.4))
    assert reasons == []
    assert len(shortfalls) == 1 and "0.4" in shortfalls[0] and "0.2" in shortfalls[0]


@pytest.mark.parametrize("value", [True, None, ..., 1, 0, "no", 0.0])
def test_a_model_that_memorised_or_that_nobody_watched_refuses(value: Any) -> None:
    reasons, shortfalls = check(PolicyConfig(), changed("diffusion", "denoiser_memorised", value))
    assert len(reasons) == 1 and reasons[0].startswith("diffusion.denoiser_memorised") and "by heart" in reasons[0]
    assert shortfalls == []


@pytest.mark.parametrize("kind", ["uncond", "smaller", "earlier", None, ...])
@pytest.mark.parametrize("value", [False, True, None, ..., 0, "no"])
def test_only_a_guide_that_cannot_be_asked_for_a_person_goes_without_a_judgement(value: Any, kind: Any) -> None:
    figures = changed("diffusion", "guide_memorised", value)
    if kind is not ...:
        figures["diffusion"]["guide"] = kind
    reasons, shortfalls = check(PolicyConfig(), figures)
    if value is False or (value in (None, ...) and kind in ("uncond", "earlier")):
        assert (reasons, shortfalls) == ([], [])
    else:
        assert len(reasons) == 1 and reasons[0].startswith("diffusion.guide_memorised")


@pytest.mark.parametrize(
    ("value", "told"), [(True, ": the model"), (None, "not known"), (..., "not known"), (0, "not")]
)
def test_a_model_that_may_have_seen_mirrored_images_refuses(value: Any, told: str) -> None:
    reasons, shortfalls = check(PolicyConfig(), changed("diffusion", "horizontal_flip", value))
    assert len(reasons) == 1 and shortfalls == []
    assert reasons[0].startswith("diffusion.horizontal_flip") and told in reasons[0]
    assert reasons[0].endswith(
        "model was trained on mirrored images, and neither the gate nor the audit looks for mirrored copies"
    )


@pytest.mark.parametrize("start", [{"known_people": False}, {}, {"known_people": "yes"}, "edm2.pkl", []])
def test_a_start_from_unknown_people_is_a_shortfall(start: Any) -> None:
    reasons, shortfalls = check(PolicyConfig(), changed("diffusion", "start", start))
    assert reasons == [] and len(shortfalls) == 1 and "unknown people" in shortfalls[0]
    both = changed("diffusion", "start", start)
    both["gate"]["false_flag_rate"] = 0.4
    assert len(check(PolicyConfig(), both)[1]) == 2


@pytest.mark.parametrize("start", [None, {"known_people": True}])
def test_a_start_from_known_people_or_none_is_no_shortfall(start: Any) -> None:
    assert check(PolicyConfig(), changed("diffusion", "start", start)) == ([], [])


def test_defaults_and_validation() -> None:
    assert PolicyConfig().model_dump() == {
        "audit_advantage_upper": 0.05,
        "gate_miss_upper": 0.01,
        "gate_false_flag": 0.20,
        "utility_gap_upper": 0.05,
    }
    for wrong in ({"audit_advantage_upper": 2.0}, {"unknown": 1}, {"gate_miss_upper": float("nan")}):
        with pytest.raises(InputError):
            build_config(PolicyConfig, wrong, where="[policy]")
