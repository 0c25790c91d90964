"""The audit as a stage of a study."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.studies import WIDE, cohort_of, in_blocks, write_study
from unpersonal.audit import AuditConfig
from unpersonal.audit.profiles import ISOLATED, MEMBERSHIP, PROFILES, TRUE_POSITIVES, Profile
from unpersonal.audit.registry import ATTACKS
from unpersonal.audit.stage import _given_labels, run_stage
from unpersonal.cohort.table import load_cohort
from unpersonal.matching.kinds import names
from unpersonal.phantom import phantom_cohort
from unpersonal.release.evidence import evidence_problems, safe_evidence
from unpersonal.synthesis.selected import load_released

SMALL = AuditConfig(permutations=999, size=16, components=16, planted_copies=20, kind_copies=1, network_steps=20)
ATTACK = """
import numpy as np
from unpersonal.audit.attack import AttackNeeds, Statistic
from unpersonal.core.config import Config

class Attack:
    config, needs = Config, AttackNeeds(NEEDS)

    def fit(self, background, options):
        return self

    def run(self, target):
        return [Statistic(9.0, np.random.default_rng(0).normal(size=len(target.codes)))]

PART = Attack()
"""
"""A false alarm on purpose."""


@cache
def fresh_images(count: int) -> np.ndarray:
    """An image each of so many people who are in no study."""
    found = phantom_cohort(
        2 * count, 6, 32, stream="fresh", findings=("No Finding", "Pleural Effusion", "Cardiomegaly")
    )
    return found[0][:count]


def make_study(
    study: Path,
    phantoms: tuple[np.ndarray, ...],
    sizes: tuple[int, ...],
    selected: np.ndarray,
    unlabelled: Callable[[str, int], bool] = lambda subject, row: False,
) -> np.ndarray:
    """Train, test, aux and val of so many people in turn; `unlabelled` says whether nobody labelled an image."""
    images, subjects, labels = phantoms
    cut = in_blocks(subjects, dict(zip(("train", "test", "aux", "val"), [*sizes, 400 - sum(sizes)], strict=True)))
    bare = [unlabelled(subject, row) for row, subject in enumerate(subjects)]
    names = [f"{subject}/{row}.png" for row, subject in enumerate(subjects)]
    cohort = cohort_of(subjects, labels, cut, images=names, seed=2, unlabelled=bare)
    write_study(study, cohort, images, selected=(selected, [["No Finding"]] * len(selected)))
    return cohort.splits


@pytest.mark.slow
def test_stage_writes_aggregates_and_keeps_rows_private(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    import torch

    images, subjects, _ = phantoms
    train = np.isin(subjects, np.unique(subjects)[:130])
    splits = make_study(tmp_path, phantoms, (130, 120, 100), images[train][:80])
    figures = run_stage(tmp_path, SMALL, seed=1, device=torch.device("cpu"), profile=PROFILES["open"]).to_json()
    copied = len(np.unique(subjects[train][:80])) / 130
    assert figures["verdict"] == "fail" and 0.8 * copied <= figures["advantage"] <= copied
    assert figures["policy_upper"] == 0.05
    assert figures == json.loads((tmp_path / "audit" / "audit.json").read_text())
    # val people did not train either: 120 + 50, thinned out to as many as trained
    assert figures["side"] == 130 == figures["train_subjects"]
    distances = np.load(tmp_path / "audit" / "train_distances.npy")
    assert distances.shape == (130,) and (np.diff(distances) >= 0).all()
    private = json.loads((tmp_path / "audit" / "private.json").read_text())
    nearest = private["pairs"][0]
    assert splits[nearest["train"]] == "train"
    np.testing.assert_array_equal(images[nearest["train"]], images[train][nearest["synthetic"]])
    # every image is somebody's: all are dropped, and nothing is left to release
    assert figures["copied"]["found"] and figures["copied"]["dropped"] == 80 and len(load_released(tmp_path)) == 0
    for pair in private["copied"]:
        assert subjects[pair["train"]] == subjects[train][pair["synthetic"]]


@pytest.mark.parametrize(("sizes", "released"), [((30, 12, 3), 20), ((130, 120, 100), 0)])
def test_stage_that_cannot_play_is_inconclusive(
    tmp_path: Path, phantoms: tuple[np.ndarray, ...], sizes: tuple[int, ...], released: int
) -> None:
    import torch

    make_study(tmp_path, phantoms, sizes, phantoms[0][:released])
    figures = run_stage(tmp_path, SMALL, seed=1, device=torch.device("cpu"), profile=PROFILES["open"]).to_json()
    assert figures["verdict"] == "inconclusive" and figures["reasons"]
    assert figures["advantage"] is None and figures["advantage_upper"] == 1.0


def test_a_tiny_study_is_played_and_inconclusive(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    import torch

    make_study(tmp_path, phantoms, (20, 8, 10), fresh_images(12))
    figures = run_stage(tmp_path, SMALL, seed=1, device=torch.device("cpu"), profile=PROFILES["open"]).to_json()
    assert figures["verdict"] == "inconclusive" and 0.05 < figures["advantage_upper"] <= 1.0


def audit_of(study: Path, profile: Profile = WIDE, **config: Any) -> dict[str, Any]:
    import torch

    chosen = SMALL.model_copy(update=config)
    figures = run_stage(study, chosen, seed=1, device=torch.device("cpu"), profile=profile).to_json()
    assert figures == json.loads((study / "audit" / "audit.json").read_text())
    assert evidence_problems(safe_evidence({"audit": figures})) == []
    return figures


def without_labels(phantoms: tuple[np.ndarray, ...], first: int, last: int) -> Callable[[str, int], bool]:
    chosen = set(np.unique(phantoms[1])[first:last])
    return lambda subject, row: subject in chosen


@pytest.mark.slow
def test_people_whom_nobody_labelled_are_a_game_of_their_own(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    """No label is predicted for them here: the audit needs none, and a fallible one would part those who are alike."""
    images, subjects, _ = phantoms
    bare = without_labels(phantoms, 80, 140)
    leaked = np.isin(subjects, np.unique(subjects)[80:140])
    splits = make_study(tmp_path, phantoms, (140, 80, 100), images[leaked][:60], bare)
    figures = audit_of(tmp_path, profile=PROFILES["open"])
    assert figures["verdict"] == "fail" and figures["unlabelled"]["verdict"] == "fail"
    assert figures["labelled"]["train_subjects"] == 80 and figures["unlabelled"]["train_subjects"] == 60
    assert figures["train_subjects"] == 140
    assert figures["kinds"] and figures["unlabelled"]["kinds"] and set(figures["blind"]) <= set(names())
    # copies of people whom nobody labelled are seen in their own game alone
    copied = len(np.unique(subjects[leaked][:60])) / 60
    assert figures["labelled"]["advantage"] < 0.1 < 0.8 * copied <= figures["unlabelled"]["advantage"] <= copied
    assert figures["advantage"] == figures["unlabelled"]["advantage"]
    outcomes = {row["name"]: row["outcome"] for row in figures["primary"]}
    assert [outcomes[name] for name in (MEMBERSHIP, TRUE_POSITIVES, ISOLATED)] == ["above"] * 3
    assert any(reason.startswith("people whom nobody labelled: ") for reason in figures["reasons"])
    assert np.load(tmp_path / "audit" / "train_distances.npy").shape == (140,)
    private = json.loads((tmp_path / "audit" / "private.json").read_text())
    assert len(private["worst"]) <= 24 and len(private["pairs"]) == 24
    for pair in private["pairs"]:
        assert splits[pair["train"]] == "train"
        if pair["distance"] == 0:
            np.testing.assert_array_equal(images[pair["train"]], images[leaked][pair["synthetic"]])
    assert private["pairs"][0]["distance"] == 0 and leaked[private["pairs"][0]["train"]]


@pytest.mark.slow
def test_of_both_games_the_worse_bound_is_told(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    make_study(tmp_path, phantoms, (140, 80, 100), fresh_images(80), without_labels(phantoms, 60, 140))
    figures = audit_of(tmp_path)
    bounds = figures["labelled"]["advantage_upper"], figures["unlabelled"]["advantage_upper"]
    # each with half of the error, so that the larger one errs with 4.5 %; nothing isolated is 1 - 0.0225^(1/60)
    assert all(found >= 1 - 0.0225 ** (1 / people) - 1e-9 for found, people in zip(bounds, (60, 80), strict=True))
    # the first attempt may err with nine tenths of 5 %
    assert figures["advantage_upper"] == max(bounds) and figures["confidence"] == pytest.approx(0.955)
    assert f"{np.ceil(1000 * max(bounds)) / 1000:.3f}" in figures["claim"]
    strict = audit_of(tmp_path, profile=replace(WIDE, isolated=0.01))
    assert strict["verdict"] == "inconclusive" and any("is above the margin 0.01" in why for why in strict["reasons"])


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_a_few_whom_nobody_labelled_leave_the_audit_inconclusive(
    tmp_path: Path, phantoms: tuple[np.ndarray, ...], count: int
) -> None:
    make_study(tmp_path, phantoms, (130, 120, 100), fresh_images(80), without_labels(phantoms, 0, count))
    figures = audit_of(tmp_path)
    assert figures["verdict"] == "inconclusive" and figures["advantage_upper"] == 1.0 and figures["advantage"] is None
    assert figures["unlabelled"] == {"train_subjects": "<5", "verdict": "inconclusive"}
    assert any("nothing is known of them" in reason for reason in figures["reasons"])
    # how few they are cannot be computed
    assert figures["train_subjects"] == 130 and "train_subjects" not in figures["labelled"]


def test_who_has_a_labelled_image_is_compared_by_it(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    """The second image of some train people is not labelled: they stay where their first one is."""
    subjects = phantoms[1]
    some, first = set(np.unique(subjects)[:40]), {}
    for row, subject in enumerate(subjects):
        first.setdefault(subject, row)
    make_study(tmp_path, phantoms, (130, 120, 100), phantoms[0][:60], lambda s, row: s in some and first[s] != row)
    cohort = load_cohort(tmp_path)
    assert cohort.unlabelled
    wanted = [[str(phantoms[2][first[s]])] if s in some else [str(label)] for s, label in zip(subjects, phantoms[2])]
    assert _given_labels(cohort) == wanted
    figures = audit_of(tmp_path)
    assert "unlabelled" not in figures and figures["train_subjects"] == 130


@pytest.mark.slow
@pytest.mark.parametrize(("needs", "verdict"), [("", "fail"), ("labels=True", "inconclusive")])
def test_an_attack_of_another_package_runs_in_every_game_of_a_study(
    tmp_path: Path, phantoms: tuple[np.ndarray, ...], offer: Callable[..., None], needs: str, verdict: str
) -> None:
    """One that needs labels cannot be run on people whom nobody labelled, so nothing is known of it there."""
    offer("attack", "theirs", ATTACK.replace("NEEDS", needs))
    make_study(tmp_path, phantoms, (140, 80, 100), fresh_images(80), without_labels(phantoms, 70, 140))
    figures = audit_of(tmp_path, attacks=(*ATTACKS.own_names(), "theirs"))
    assert figures["unlabelled"]["verdict"] == verdict
    loud = [test["name"] for test in figures["unlabelled"]["tests"] if test["p_adjusted"] <= 0.025]
    assert loud == (["theirs"] if verdict == "fail" else [])
    reason = "people whom nobody labelled: the attack theirs could not be run (it needs labels, and none are given)"
    assert any(text.startswith(reason) for text in figures["reasons"]) == (verdict == "inconclusive")
    assert figures["verdict"] == "fail" and figures["labelled"]["verdict"] == "fail"


def test_nothing_of_the_gate_is_read(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    """With weights of the gate that nobody can read the audit says what it says without."""
    make_study(tmp_path, phantoms, (60, 50, 110), fresh_images(40))
    wanted = audit_of(tmp_path)
    (tmp_path / "models" / "judges").mkdir(parents=True)
    for name in ("gate.json", "reidentifier-0.safetensors", "matcher-0.safetensors"):
        (tmp_path / "models" / "judges" / name).write_bytes(b"poison")
    assert audit_of(tmp_path) == wanted
    assert wanted["kinds"] and wanted["blind"] and not any("no network of its own" in text for text in wanted["notes"])


def test_given_labels_of_one_person_are_the_most_frequent() -> None:
    rows = [("a", ["x"]), ("a", ["y"]), ("a", ["y"]), ("a", []), ("b", []), ("c", ["y", "x"]), ("c", [])]
    subjects, labels = zip(*rows, strict=True)
    found = _given_labels(cohort_of(subjects, labels, unlabelled=[row in (3, 4, 6) for row in range(7)]))
    assert found == [["x"], ["y"], ["y"], ["y"], [], ["x", "y"], ["x", "y"]]


def test_too_few_labelled_people_are_no_game(tmp_path: Path, phantoms: tuple[np.ndarray, ...]) -> None:
    make_study(tmp_path, phantoms, (30, 30, 100), fresh_images(20), without_labels(phantoms, 0, 27))
    figures = audit_of(tmp_path)
    assert figures["verdict"] == "inconclusive" and figures["advantage_upper"] == 1.0
    assert "the part train has only 3 labelled subjects" in figures["reasons"][0]
