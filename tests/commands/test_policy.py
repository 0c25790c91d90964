"""`unpersonal policy` says each limit in words, and where a study is looser than its published profile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.commands.light import HEAVY, without
from unpersonal.audit.profiles import PROFILES
from unpersonal.cli import app
from unpersonal.release.policy import COUNTED, LIMITS, MARGINS, PolicyConfig
from unpersonal.release.policy_words import MEANINGS, limits_in_words, refused_in_words
from unpersonal.release.published_profiles import published


def run(*words: object):
    return CliRunner().invoke(app, ["policy", *map(str, words)])


def study(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "study.toml").write_text("\n".join(["seed = 0", *lines, ""]), encoding="utf-8")
    return folder


def test_every_limit_has_its_words() -> None:
    assert set(MEANINGS) == {*LIMITS, *MARGINS, COUNTED}
    found = limits_in_words(PolicyConfig(gate_miss_upper=0.5), published("open"))
    assert {each.key for each in found} == set(MEANINGS) and len(found) == len(MEANINGS)
    assert next(each for each in found if each.key == "gate_miss_upper").published == 0.01
    assert any("6 kinds" in reason for reason in refused_in_words(PolicyConfig()))


@pytest.mark.parametrize("name", PROFILES)
def test_a_published_profile_is_read_out(name: str) -> None:
    done = run("--profile", name)
    assert done.exit_code == 0 and PROFILES[name].who in done.stdout.splitlines()[0]
    for key, meaning in MEANINGS.items():
        assert f"{key} = " in done.stdout and meaning in done.stdout
    assert ("may leave" in done.stdout.splitlines()[0]) == (name == "internal")
    told = json.loads(run("--profile", name, "--json").stdout)
    assert told["profile"] == name and told["looser_than_published"] == {} and set(told["profiles"]) == set(PROFILES)


def test_a_study_is_told_where_it_is_looser(tmp_path: Path) -> None:
    done = run(study(tmp_path / "a", "[policy]", "utility_gap_upper = 0.3", 'may_be_blind = ["mirror"]'))
    assert done.exit_code == 0 and "utility_gap_upper = 0.3 (published: 0.05)" in done.stdout
    assert "Looser than the published profile open" in done.stdout and "mirror" in done.stdout
    told = json.loads(run(tmp_path / "a", "--json").stdout)
    assert set(told["looser_than_published"]) == {"utility_gap_upper", "may_be_blind"}
    other = json.loads(run(tmp_path / "a", "--profile", "agreement", "--json").stdout)
    assert other["profile"] == "agreement" and "utility_gap_upper" in other["looser_than_published"]
    assert "Nowhere looser" in run(study(tmp_path / "b")).stdout


def test_beside_another_profile_every_looser_limit_is_listed_and_nothing_is_said_of_verify(tmp_path: Path) -> None:
    found = study(tmp_path / "a", "[policy]", 'profile = "agreement"', "gate_miss_upper = 0.02")
    told = json.loads(run(found, "--profile", "open", "--json").stdout)
    assert (told["own_profile"], told["profile"]) == ("agreement", "open")
    differ = {each["key"] for each in told["limits"] if each["value"] != each["published"]}
    assert (
        set(told["looser_than_published"])
        == differ
        == {
            "audit_advantage_upper",
            "audit_membership_upper",
            "audit_true_positives_upper",
            "audit_inference_upper",
            "gate_miss_upper",
        }
    )
    said = run(found, "--profile", "open").stdout
    assert "Looser than the published profile open:" in said and "profile agreement, beside the published" in said
    own = run(found).stdout
    assert "Looser than the published profile agreement, so that `unpersonal verify` refuses it:" in own
    assert set(json.loads(run(found, "--json").stdout)["looser_than_published"]) == {"gate_miss_upper"}


def test_a_path_that_does_not_exist_is_told_as_such(tmp_path: Path) -> None:
    assert "There is no such folder" in run(tmp_path / "absent").stderr
    assert "--profile agreement" in run("agreement").stderr
    assert "has no study.toml" in run(tmp_path).stderr


@pytest.mark.parametrize(
    ("lines", "words"),
    [(("[policy]", "gate = 1"), "gate: unknown key"), (("policy = 3",), "no table"), (("[policy",), "not valid TOML")],
)
def test_what_is_no_policy_is_an_input_error(tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    done = run(study(tmp_path / "a", *lines))
    assert done.exit_code == 2 and words in done.stderr


def test_nor_are_unknown_profiles_and_folders(tmp_path: Path) -> None:
    done = run("--profile", "hospital")
    assert done.exit_code == 2 and "open, agreement, internal" in done.stderr
    assert run(tmp_path).exit_code == 2 and run(tmp_path / "absent").exit_code == 2


def test_it_needs_no_extra() -> None:
    done = without(HEAVY, "policy", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["profile"] == "open", done.stderr
