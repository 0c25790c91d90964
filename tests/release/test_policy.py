"""The policy fails closed: every figure that is absent, not a number or beyond its limit refuses, by name."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unpersonal.audit.profiles import IN_WORDS
from unpersonal.core.config import build_config
from unpersonal.core.errors import InputError
from unpersonal.core.registry import Plugin
from unpersonal.diffusion.figures import StartFigures
from unpersonal.judges.figures import ENOUGH, GateFigures
from unpersonal.matching.kinds import LEAST_RECALL, MAY_BE_BLIND, in_words, names
from unpersonal.metrics.exceedances import POWER, RATE
from unpersonal.plugins import REGISTRIES
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import COUNTED, LIMITS, MARGINS, OUTSIDE_GATE, PolicyConfig, check, looser
from unpersonal.report.summary import Summary

DEMO = json.loads((Path(__file__).parents[1] / "data" / "demo_summary.json").read_text(encoding="utf-8"))
GOOD = Summary.from_json(DEMO, where="demo").figures
assert GOOD.gate is not None
GATE = GOOD.gate
STAGES = ("audit", "gate", "utility", "synthesis", "diffusion")
BOUNDED = [("audit", "advantage_upper", 0.05), ("gate", "miss_rate_upper", 0.01), ("utility", "gap_upper", 0.05)]
START = StartFigures(source="edm2.pkl", sha256="ab", share=0.9, note="n", known_people=False)


def changed(stage: str, name: str, value: Any) -> StudyFigures:
    """Figures with another value, of whatever type."""
    return replace(GOOD, **{stage: replace(getattr(GOOD, stage), **{name: value})})


def unread(stage: str, name: str, value: Any) -> bool:
    """Whether a record with this value, or without any (...), is refused when it is read."""
    values = json.loads(json.dumps(GOOD.to_json()))
    if value is ...:
        del values[stage][name]
    else:
        values[stage][name] = value
    try:
        StudyFigures.from_json(values, where="x")
    except InputError as error:
        assert name in str(error)
        return True
    return False


def test_good_figures_pass() -> None:
    assert check(PolicyConfig(), GOOD) == ([], [])


@pytest.mark.parametrize(("stage", "name", "limit"), BOUNDED)
def test_a_figure_at_its_limit_passes_and_just_above_refuses(stage: str, name: str, limit: float) -> None:
    assert check(PolicyConfig(), changed(stage, name, limit)) == ([], [])
    value = math.nextafter(limit, 1.0)
    reasons, _ = check(PolicyConfig(), changed(stage, name, value))
    assert len(reasons) == 1
    assert f"{stage}.{name}" in reasons[0] and f"{limit:g}" in reasons[0]


@pytest.mark.slow
@pytest.mark.parametrize("value", [..., None, math.nan, math.inf, -math.inf, "0.0", True, [], -2.0, 1.5])
@pytest.mark.parametrize(
    ("stage", "name"), [*(item[:2] for item in BOUNDED), ("gate", "false_flag_rate"), ("synthesis", "released")]
)
def test_what_is_no_possible_number_refuses(stage: str, name: str, value: Any) -> None:
    possible = isinstance(value, float) and math.isfinite(value)
    assert unread(stage, name, value) or (possible and name != "released")
    if value is ... or (name == "released" and value == 1.5):
        return
    reasons, shortfalls = check(PolicyConfig(), changed(stage, name, value))
    assert len(reasons) == 1 and f"{stage}.{name}" in reasons[0]
    assert shortfalls == []


def test_a_number_beyond_all_bounds_refuses() -> None:
    assert check(PolicyConfig(), changed("audit", "advantage_upper", 10**400))[0]


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "PASS", None, ..., True, ["pass"]])
def test_only_the_verdict_pass_passes(verdict: Any) -> None:
    assert unread("audit", "verdict", verdict) or verdict in ("fail", "inconclusive")
    if verdict is ...:
        return
    reasons, _ = check(PolicyConfig(), changed("audit", "verdict", verdict))
    assert len(reasons) == 1 and reasons[0].startswith("audit.verdict")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("value", [None, [], "x", ...])
def test_a_stage_that_is_absent_refuses(stage: str, value: Any) -> None:
    assert check(PolicyConfig(), replace(GOOD, **{stage: None}))[0]
    if value is not ...:
        with pytest.raises(InputError, match=f"{stage}|metrics"):
            StudyFigures.from_json({**GOOD.to_json(), stage: value}, where="x")


def test_no_figures_name_every_rule() -> None:
    reasons, _ = check(PolicyConfig(), StudyFigures())
    assert len(reasons) == 12


def test_no_released_image_refuses() -> None:
    assert check(PolicyConfig(), changed("synthesis", "released", 0))[0]


def test_false_flags_above_budget_are_a_shortfall_and_no_refusal() -> None:
    reasons, shortfalls = check(PolicyConfig(), changed("gate", "false_flag_rate", 0.4))
    assert reasons == []
    assert len(shortfalls) == 1 and "0.4" in shortfalls[0] and "0.2" in shortfalls[0]


@pytest.mark.parametrize("value", [True, None, ..., 1, 0, "no", 0.0])
def test_a_model_that_memorised_or_that_nobody_watched_refuses(value: Any) -> None:
    assert unread("diffusion", "denoiser_memorised", value) or value in (True, None)
    if value is ...:
        return
    reasons, shortfalls = check(PolicyConfig(), changed("diffusion", "denoiser_memorised", value))
    assert len(reasons) == 1 and reasons[0].startswith("diffusion.denoiser_memorised") and "by heart" in reasons[0]
    assert shortfalls == []


@pytest.mark.parametrize("kind", ["uncond", "smaller", "earlier", None])
@pytest.mark.parametrize("value", [False, True, None, 0, "no"])
def test_only_a_guide_that_cannot_be_asked_for_a_person_goes_without_a_judgement(value: Any, kind: Any) -> None:
    reasons, shortfalls = check(PolicyConfig(), replace(changed("diffusion", "guide_memorised", value), guide=kind))
    if value is False or (value is None and kind in ("uncond", "earlier")):
        assert (reasons, shortfalls) == ([], [])
    else:
        assert len(reasons) == 1 and reasons[0].startswith("diffusion.guide_memorised")


@pytest.mark.parametrize("value", [None, 0.0, 6e-6, 0.7999, math.nan, math.inf, 1.5, -0.1, True, "0.9"])
def test_a_monitor_that_could_not_have_seen_refuses(value: Any) -> None:
    figures = changed("diffusion", "denoiser_match_power", value)
    reasons, shortfalls = check(PolicyConfig(), figures)
    assert len(reasons) == 1 and reasons[0].startswith("diffusion.denoiser_match_power") and "0.8" in reasons[0]
    assert shortfalls == []
    possible = value is None or (type(value) is float and 0 <= value <= 1)
    reasons, shortfalls = check(PolicyConfig(match_power=0), figures)
    assert (reasons == []) == possible and len(shortfalls) == 1
    assert check(PolicyConfig(), changed("diffusion", "denoiser_match_power", 0.8)) == ([], [])


@pytest.mark.parametrize("value", [math.nextafter(0.05, 1), 0.4, math.nan, "0.0", 2.0])
def test_too_many_matches_refuse_whatever_the_monitor_made_of_them(value: Any) -> None:
    figures = changed("diffusion", "denoiser_match_rate_lower", value)
    reasons, _ = check(PolicyConfig(), figures)
    assert len(reasons) == 1 and reasons[0].startswith("diffusion.denoiser_match_rate_lower")
    possible = type(value) is float and 0 <= value <= 1
    assert (check(PolicyConfig(match_rate_lower=1), figures)[0] == []) == possible
    for fine in (None, 0.05):
        assert check(PolicyConfig(), changed("diffusion", "denoiser_match_rate_lower", fine)) == ([], [])


@pytest.mark.parametrize("group", ["protected", "held_out"])
def test_a_miss_rate_that_is_not_the_worst_of_what_was_measured_refuses(group: str) -> None:
    found = replace(getattr(GATE, group), subjects=ENOUGH)
    for wrong in ({"miss_rate_upper": 0.0091}, {"miss_rate_upper": math.nan}, {"missed": 3}, {"miss_rate": 0.02}):
        gate = replace(GATE, miss_rate_upper=0.009, **{group: replace(found, miss_rate_upper=0.009)})
        assert check(PolicyConfig(), replace(GOOD, gate=gate)) == ([], [])
        gate = replace(gate, **{group: replace(getattr(gate, group), **wrong)})
        reasons, _ = check(PolicyConfig(gate_miss_upper=1), replace(GOOD, gate=gate))
        assert len(reasons) == 1 and reasons[0].startswith(f"gate.{group} has miss_rate_upper")
    few = replace(GATE.held_out, subjects=ENOUGH - 1, missed=40, miss_rate=0.134, miss_rate_upper=0.18)
    assert check(PolicyConfig(), replace(GOOD, gate=replace(GATE, held_out=few))) == ([], [])


@pytest.mark.parametrize(("name", "promised"), [("mirror", False), ("rotation 20°", True), ("their own kind", True)])
def test_a_gate_that_promises_other_kinds_refuses(name: str, promised: bool) -> None:
    kinds = {**GATE.kinds, name: replace(GATE.kinds["exact"], promised=promised)}
    reasons, _ = check(PolicyConfig(may_be_blind=names()), replace(GOOD, gate=replace(GATE, kinds=kinds)))
    assert len(reasons) == 1 and reasons[0].startswith("gate.kinds does not promise") and name in reasons[0]


def test_a_gate_without_a_matcher_of_the_settings_refuses() -> None:
    assert check(PolicyConfig(), replace(GOOD, matchers=("poses", "parts"))) == ([], [])
    fewer = {name: found for name, found in GATE.matchers.items() if name != "parts"}
    figures = replace(GOOD, gate=replace(GATE, matchers=fewer))
    assert check(PolicyConfig(), figures) == ([], []), "settings that nobody knows"
    reasons, _ = check(PolicyConfig(), replace(figures, matchers=("poses", "parts")))
    assert reasons == ["gate.matchers lacks parts, which [judges] matchers names"]


@pytest.mark.parametrize("name", (*LIMITS, COUNTED))
def test_a_limit_that_is_looser_than_the_default_is_a_shortfall(name: str) -> None:
    wide, strict = {"match_power": (0.0, 1.0), "audit_leak_persons": (999, 1), COUNTED: (6, 5)}.get(name, (1.0, 0.0))
    (told,) = check(PolicyConfig(**{name: wide}), GOOD)[1]
    assert told.startswith(f"policy.{name} = {wide:g} is looser than the default ")
    assert looser(PolicyConfig(**{name: wide})) == {name: told} and looser(PolicyConfig(**{name: strict})) == {}


def with_kinds(gate: GateFigures, **lower: float | None) -> StudyFigures:
    """Figures with other lower bounds of recall by name; a kind of which it is None was not tried."""
    kinds = dict(gate.kinds)
    for name, value in lower.items():
        if value is None:
            del kinds[name]
        else:
            kinds[name] = replace(kinds[name], recall=min(1.0, value + 0.02), recall_lower=value, blind=value < 0.9)
    return replace(GOOD, gate=replace(gate, kinds=kinds))


@pytest.mark.parametrize("name", [name for name in names() if name != "other-visit"])
def test_a_blind_kind_refuses_unless_the_policy_lets_it_be_blind(name: str) -> None:
    figures = with_kinds(GATE, **{name: 0.7961})
    reasons, shortfalls = check(PolicyConfig(), figures)
    assert shortfalls == []
    if name in MAY_BE_BLIND:
        assert reasons == []
        strict = tuple(kind for kind in MAY_BE_BLIND if kind != name)
        reasons, shortfalls = check(PolicyConfig(may_be_blind=strict), figures)
        assert shortfalls == []
    assert len(reasons) == 1 and reasons[0].startswith("gate.blind: ")
    told = f"{in_words(name)} ({name}; 0.816 found, 95 % lower bound 0.796)"
    assert told in reasons[0] and "[judges] matchers" in reasons[0] and "may_be_blind" in reasons[0]
    wider = PolicyConfig(may_be_blind=(*{*MAY_BE_BLIND, name},))
    assert check(wider, figures)[0] == []


@pytest.mark.parametrize("lower", [math.nan, -1.0, 1.5, math.inf, math.nextafter(LEAST_RECALL, 0)])
@pytest.mark.parametrize("blind", [True, False])
def test_a_kind_is_found_only_if_the_bound_of_its_recall_says_so(lower: float, blind: bool) -> None:
    kinds = {**GATE.kinds, "mirror": replace(GATE.kinds["mirror"], recall=1.0, recall_lower=lower, blind=blind)}
    reasons, _ = check(PolicyConfig(), replace(GOOD, gate=replace(GATE, kinds=kinds)))
    assert len(reasons) == 1 and "(mirror; 1.000 found" in reasons[0]


def test_a_kind_that_is_only_listed_as_blind_or_untried_refuses() -> None:
    reasons, _ = check(PolicyConfig(), replace(GOOD, gate=replace(GATE, blind=("mirror", "their own kind"))))
    assert len(reasons) == 1 and "2 kinds" in reasons[0] and "their own kind" in reasons[0]
    reasons, _ = check(PolicyConfig(), replace(GOOD, gate=replace(GATE, untried=("mirror",))))
    assert len(reasons) == 1 and reasons[0].startswith("gate.untried: ") and "mirrored (mirror)" in reasons[0]


@pytest.mark.parametrize("name", ["mirror", "codec", "other-visit", "region 0.14"])
def test_a_kind_that_was_not_tried_counts_as_blind(name: str) -> None:
    kinds = {key: value for key, value in GATE.kinds.items() if key != name}
    for untried in ((), (name,)):
        figures = replace(GOOD, gate=replace(GATE, kinds=kinds, untried=untried))
        reasons, _ = check(PolicyConfig(may_be_blind=()), figures)
        assert reasons[-1].startswith("gate.untried: ") and f"({name})" in reasons[-1]
        assert not check(PolicyConfig(may_be_blind=(*{*MAY_BE_BLIND, name},)), figures)[0]
        assert bool(check(PolicyConfig(), figures)[0]) == (name not in MAY_BE_BLIND)


def test_a_policy_that_lets_more_be_blind_is_a_shortfall_whatever_the_gate_finds() -> None:
    reasons, shortfalls = check(PolicyConfig(may_be_blind=("mirror", "rotation 5°")), GOOD)
    assert len(reasons) == 2, "what the default lets be blind is not let"
    assert len(shortfalls) == 1 and shortfalls[0].endswith("rotation 5°, mirror")
    assert check(PolicyConfig(may_be_blind=names()), GOOD)[1][0].endswith("every kind of copy")
    assert check(PolicyConfig(may_be_blind=MAY_BE_BLIND[1:]), GOOD)[1] == []


@pytest.mark.parametrize("flipped", [True, False, None])
def test_a_model_trained_on_mirrored_images_is_released_where_the_gate_finds_mirrored_copies(flipped: Any) -> None:
    assert check(PolicyConfig(), changed("diffusion", "horizontal_flip", flipped)) == ([], [])
    wide = PolicyConfig(may_be_blind=names())
    assert check(wide, changed("diffusion", "horizontal_flip", flipped))[0] == []


@pytest.mark.parametrize("lower", [0.5, None])
@pytest.mark.parametrize("name", ["mirror", "mirrored-crop"])
@pytest.mark.parametrize("flipped", [True, False, None, 0])
def test_no_policy_excuses_a_gate_that_is_blind_to_mirrors_of_such_a_model(flipped: Any, name: str, lower: Any) -> None:
    figures = with_kinds(GATE, **{name: lower})
    mirrored = replace(figures, diffusion=replace(GOOD.diffusion, horizontal_flip=flipped))
    assert len(check(PolicyConfig(), mirrored)[0]) == 1, "the default policy says so once"
    reasons, _ = check(PolicyConfig(may_be_blind=names()), mirrored)
    if flipped is False:
        assert reasons == []
        return
    assert len(reasons) == 1 and reasons[0].startswith("diffusion.horizontal_flip") and name in reasons[0]
    assert ("it is not known whether" in reasons[0]) == (flipped is not True)


@pytest.mark.parametrize("known", [False, None, "yes", 1])
def test_a_start_from_unknown_people_is_a_shortfall(known: Any) -> None:
    figures = changed("diffusion", "start", replace(START, known_people=known))
    reasons, shortfalls = check(PolicyConfig(), figures)
    assert reasons == [] and len(shortfalls) == 1 and "unknown people" in shortfalls[0]
    both = replace(figures, gate=replace(GOOD.gate, false_flag_rate=0.4))
    assert len(check(PolicyConfig(), both)[1]) == 2


@pytest.mark.parametrize("start", [{}, {"known_people": "yes"}, "edm2.pkl", []])
def test_a_start_that_is_not_told_as_it_should_be_is_no_start(start: Any) -> None:
    assert unread("diffusion", "start", start)


@pytest.mark.parametrize("start", [None, replace(START, known_people=True)])
def test_a_start_from_known_people_or_none_is_no_shortfall(start: Any) -> None:
    assert check(PolicyConfig(), changed("diffusion", "start", start)) == ([], [])


def used(stage: str, kind: str, name: str = "theirs") -> StudyFigures:
    return replace(GOOD, plugins={stage: (Plugin(kind, name, "their-package", "1.5", "ab" * 32),)})


@pytest.mark.parametrize(
    ("stage", "kind"), [("judges", "network"), ("judges", "matcher"), ("synthesis", "matcher"), ("encode", "novelty")]
)
def test_a_plugin_in_the_gate_refuses_unless_the_policy_names_it(stage: str, kind: str) -> None:
    figures = used(stage, kind)
    reasons, shortfalls = check(PolicyConfig(plugins=("other",)), figures)
    assert len(reasons) == 1 and reasons[0].startswith(f"gate.plugins has the {kind} 'theirs' of their-package 1.5")
    assert shortfalls == [] and check(PolicyConfig(plugins=("theirs",)), figures) == ([], [])


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        *(("cohort", "layout"), ("encode", "codec"), ("features", "condition"), ("features", "encoder")),
        *(("synthesis", "solver"), ("utility", "network"), ("audit", "attack"), ("utility", "metric")),
    ],
)
def test_a_plugin_elsewhere_does_not_refuse(stage: str, kind: str) -> None:
    assert check(PolicyConfig(), used(stage, kind)) == ([], [])


def test_of_every_kind_of_plugin_it_is_decided_whether_it_may_stand_in_the_gate() -> None:
    assert {*OUTSIDE_GATE, "matcher"} == set(REGISTRIES)


def test_defaults_and_validation() -> None:
    assert PolicyConfig().model_dump() == {
        "profile": "open",
        **dict.fromkeys(MARGINS),
        "audit_leak_persons": 20,
        "gate_miss_upper": 0.01,
        "gate_false_flag": 0.20,
        "utility_gap_upper": 0.05,
        "match_power": POWER,
        "match_rate_lower": RATE,
        "max_releases": 5,
        "may_be_blind": MAY_BE_BLIND,
        "plugins": (),
        "sign_off": False,
    }
    wrongs = ({"audit_advantage_upper": 2.0}, {"unknown": 1}, {"gate_miss_upper": float("nan")})
    blind = ({"may_be_blind": wrong} for wrong in (["mirror", "mirror"], "mirror", ["rotation"], ["re-noised 0.15"]))
    for wrong in (*wrongs, *blind, {"plugins": ["a", "a"]}, {"plugins": [""]}, {"plugins": "a"}):
        with pytest.raises(InputError):
            build_config(PolicyConfig, wrong, where="[policy]")


def test_a_kind_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(InputError, match=r"there is no kind of copy 'mirrored'; use any of .*'mirror', "):
        build_config(PolicyConfig, {"may_be_blind": ["mirrored"]}, where="[policy]")
    assert build_config(PolicyConfig, {"may_be_blind": []}, where="[policy]").may_be_blind == ()


def test_another_profile_than_the_audits_refuses() -> None:
    for policy in (PolicyConfig(profile="agreement"), PolicyConfig(profile="internal")):
        assert any("audit.profile is 'open'" in reason for reason in check(policy, GOOD)[0])
    internal = changed("audit", "profile", "internal")
    assert any("allows a release" in reason for reason in check(PolicyConfig(profile="internal"), internal)[0])


@pytest.mark.parametrize("name", IN_WORDS)
def test_a_primary_figure_that_is_missing_or_too_large_refuses(name: str) -> None:
    assert GOOD.audit is not None and GOOD.audit.primary is not None
    rows = GOOD.audit.primary
    without = changed("audit", "primary", tuple(row for row in rows if row.name != name))
    assert any(f"audit.primary has no {name}" in reason for reason in check(PolicyConfig(), without)[0])
    # whatever margin the audit claims to have used
    large = tuple(replace(row, upper=0.9, margin=1.0) if row.name == name else row for row in rows)
    assert any(
        f"audit.primary.{name}" in reason for reason in check(PolicyConfig(), changed("audit", "primary", large))[0]
    )


def test_labels_that_nobody_tried_to_infer_refuse() -> None:
    assert GOOD.audit is not None and GOOD.audit.inference is not None and GOOD.cohort is not None
    others = tuple(row for row in GOOD.audit.inference if not row.name.startswith("inference_label"))
    for rows in (None, (), others):
        (reason,) = check(PolicyConfig(), changed("audit", "inference", rows))[0]
        assert reason.startswith("audit.inference has no label inference")
    bare = replace(changed("audit", "inference", others), cohort=replace(GOOD.cohort, classes=()))
    assert check(PolicyConfig(), bare) == ([], [])
    assert check(PolicyConfig(), replace(bare, cohort=None))[0]
