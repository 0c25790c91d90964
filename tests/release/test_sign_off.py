"""Sign-offs: of one hash, by a name that stays in the study, voided by any change, required where the policy says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from unpersonal.core.errors import InputError, PolicyRefused
from unpersonal.core.records import StageRecord
from unpersonal.release.config import ReleaseConfig
from unpersonal.release.figures import SignedOff, StudyFigures
from unpersonal.release.policy import PolicyConfig, check
from unpersonal.release.policy_words import refused_in_words
from unpersonal.release.sign_off import (
    LEDGER,
    LONGEST,
    add_sign_off,
    read_sign_offs,
    sign_off_problems,
    signed_hash,
    signed_off,
)
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import verify_release

NAME, ROLE = "Ada Byron King", "data protection officer"
SIGNED = SignedOff(role=ROLE, hash="ab" * 32)
REQUIRED, TOLD = PolicyConfig(sign_off=True), ReleaseConfig()


def record(stage: str, **other: object) -> StageRecord:
    given: dict[str, object] = {
        "stage": stage,
        "key": "k",
        "config": {},
        "inputs": {},
        "outputs": {f"{stage}/file": "0" * 64},
        "figures": {"value": 1},
        "seconds": 1.0,
        "versions": {},
        "plugins": [],
    }
    return StageRecord(**{**given, **other})


RECORDS = {name: record(name) for name in ("cohort", "judges", "audit", "utility", "release", "report")}


def test_a_sign_off_is_of_one_hash_and_any_change_voids_it(tmp_path: Path) -> None:
    policy = PolicyConfig()
    add_sign_off(tmp_path, signed_hash(RECORDS, policy, TOLD), name=NAME, role=ROLE, note="seen")
    found = signed_off(tmp_path, RECORDS, policy, TOLD)
    assert found is not None and found.role == ROLE
    # what the release and its report are, and whether a sign-off is needed, is no part of it
    later = {**RECORDS, "release": record("release", figures={"images": 2}), "cohort": record("cohort", seconds=9.0)}
    assert signed_off(tmp_path, later, REQUIRED, TOLD) == found
    for name in ("cohort", "judges", "audit", "utility"):
        for change in ({"outputs": {"x": "1" * 64}}, {"figures": {"value": 2}}, {"plugins": [{"kind": "a"}]}):
            assert signed_off(tmp_path, {**RECORDS, name: record(name, **change)}, policy, TOLD) is None
        assert signed_off(tmp_path, {key: each for key, each in RECORDS.items() if key != name}, policy, TOLD) is None
    assert signed_off(tmp_path, RECORDS, PolicyConfig(utility_gap_upper=0.04), TOLD) is None
    assert signed_off(tmp_path, RECORDS, policy, ReleaseConfig(license="cc-by-4.0")) is None


def test_the_last_role_that_signed_this_is_told_and_all_are_kept(tmp_path: Path) -> None:
    signed = signed_hash(RECORDS, PolicyConfig(), TOLD)
    for name, role, what in ((NAME, ROLE, signed), ("Bo", "head of clinic", signed), ("Cy", "nobody", "0" * 64)):
        add_sign_off(tmp_path, what, name=name, role=role)
    found = signed_off(tmp_path, RECORDS, PolicyConfig(), TOLD)
    assert found == SignedOff(role="head of clinic", hash=signed)
    assert [entry["name"] for entry in read_sign_offs(tmp_path)] == [NAME, "Bo", "Cy"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "  "}, "name is empty"),
        ({"role": ""}, "role is empty"),
        ({"role": "x" * (LONGEST["role"] + 1)}, "characters"),
        ({"note": "two\nlines"}, "line breaks"),
        ({"name": "\x1b[2J"}, "cannot be printed"),
        ({"role": "ada, officer"}, "names a person"),
        ({"role": "(Byron) officer"}, "names a person"),
        ({"role": "officer ada@clinic.example"}, "names a person"),
        ({"role": "see /home/ada/x.png"}, "names a person"),
    ],
)
def test_what_is_no_name_role_or_note_is_refused(tmp_path: Path, values: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        add_sign_off(tmp_path, "0" * 64, **{"name": NAME, "role": ROLE, **values})
    assert not (tmp_path / LEDGER).exists()


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Li Wu", "Li Wu"), ("Li Wu", "Wu, officer"), ("Li Wu", "office LiWu"), ("Bo", "Bo, officer"),
        ("王伟", "王伟, data protection"), ("王 伟", "王伟数据保护官"), ("伟 王", "王伟"),
        ("王伟 Ada", "王伟数据保护官"), ("김 민준", "민준, officer"), ("Ｌｉ Ｗｕ", "li wu"),
    ],
)  # fmt: skip
def test_short_and_east_asian_names_are_names(tmp_path: Path, name: str, role: str) -> None:
    with pytest.raises(InputError, match="names a person"):
        add_sign_off(tmp_path, "0" * 64, name=name, role=role)
    add_sign_off(tmp_path, "0" * 64, name=name, role=ROLE)
    add_sign_off(tmp_path, "0" * 64, name=name, role="laboratory head, 数据保护官")


def test_a_damaged_ledger_is_no_sign_off(tmp_path: Path) -> None:
    add_sign_off(tmp_path, "0" * 64, name=NAME, role=ROLE)
    path = tmp_path / LEDGER
    path.write_bytes(path.read_bytes().replace(b"0" * 64, b"1" * 64, 1))
    with pytest.raises(InputError, match="sign-offs was altered"):
        signed_off(tmp_path, RECORDS, PolicyConfig(), TOLD)


def test_a_policy_that_asks_for_it_stops_before_the_release(
    make_study: Callable[..., Path], figures: StudyFigures
) -> None:
    study = make_study()
    assert check(REQUIRED, figures) == check(PolicyConfig(), figures) == ([], [])
    with pytest.raises(PolicyRefused, match="unpersonal sign-off STUDY") as refused:
        run_stage(study, policy=REQUIRED, seed=5, figures=figures)
    assert refused.value.what == "the release waits for a sign-off" and not (study / "release").exists()
    run_stage(study, policy=REQUIRED, seed=5, figures=replace(figures, signed=SIGNED))
    folder = study / "release"
    evidence = json.loads((folder / "evidence.json").read_text())
    assert evidence["sign_off"] == {"role": ROLE, "hash": SIGNED.hash} and evidence["policy"]["sign_off"] is True
    assert verify_release(folder) == [] and sign_off_problems(evidence) == []
    assert f"Signed off by: {ROLE}" in " ".join((folder / "README.md").read_text().split())
    for change in ({}, {"role": ""}, {"hash": "x"}, {"role": ROLE, "hash": "G" * 64}, None, "yes"):
        assert sign_off_problems({**evidence, "sign_off": change}), change


def test_the_policy_in_words_says_that_somebody_must_sign() -> None:
    said = set(refused_in_words(REQUIRED)) - set(refused_in_words(PolicyConfig()))
    assert len(said) == 1 and "unpersonal sign-off" in said.pop()


def test_what_else_refuses_is_told_before_a_sign_off_is_asked_for(
    make_study: Callable[..., Path], figures: StudyFigures
) -> None:
    with pytest.raises(PolicyRefused) as refused:
        run_stage(make_study(), policy=REQUIRED, seed=5, figures=replace(figures, utility=None))
    assert refused.value.reasons and not any("sign_off" in reason for reason in refused.value.reasons)


def test_where_nobody_signs_and_nobody_must_nothing_is_told(
    make_study: Callable[..., Path], figures: StudyFigures
) -> None:
    study = make_study()
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)
    text = (study / "release" / "evidence.json").read_text() + (study / "release" / "README.md").read_text()
    assert "sign_off" not in text and "igned off" not in text
