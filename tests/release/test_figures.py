"""Figures of every stage: those of a finished demo of invented people, and the branches that a demo does not reach."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from unpersonal.audit.figures import AuditFigures
from unpersonal.codec.figures import EncodeFigures
from unpersonal.cohort.figures import CohortFigures
from unpersonal.core.errors import InputError
from unpersonal.core.figures import Figures
from unpersonal.diffusion.figures import DiffusionFigures
from unpersonal.features.figures import FeatureFigures
from unpersonal.judges.figures import GateFigures
from unpersonal.synthesis.figures import SynthesisFigures
from unpersonal.utility.figures import UtilityFigures

SUMMARY = json.loads((Path(__file__).parents[1] / "data" / "demo_summary.json").read_text(encoding="utf-8"))
KINDS: dict[str, type[Figures]] = {
    "cohort": CohortFigures,
    "encode": EncodeFigures,
    "features": FeatureFigures,
    "diffusion": DiffusionFigures,
    "gate": GateFigures,
    "synthesis": SynthesisFigures,
    "audit": AuditFigures,
    "utility": UtilityFigures,
}
PRETRAINED = {"source": "somebody/model", "sha256": "ab" * 32, "known_people": False}
START = {"source": "edm2.pkl", "sha256": "cd" * 32, "share": 0.9, "note": "n", "known_people": False}
GAME = {name: SUMMARY["audit"][name] for name in ("verdict", "advantage", "advantage_upper", "weight")}
PREDICTED = {
    **{"images": 9, "subjects": 5, "images_by_predicted_label": {"a": 3, "b": 6}, "temperature": 1.25},
    **{"held_out_images": 40, "held_out_subjects": 20, "calibration_error_before_scaling": 0.2},
    **{name: 0.1 for name in ("calibration_error", "brier", "accuracy")},
    **{f"{name}_interval": [0.0, 0.2] for name in ("calibration_error", "brier", "accuracy")},
    "reliability": [{"from": 0.0, "images": 3, "confidence": 0.05, "share": 0.0}],
}


def recorded(stage: str) -> dict[str, Any]:
    values: dict[str, Any] = copy.deepcopy(SUMMARY[stage])
    if stage == "utility":
        values["metrics"] = SUMMARY["metrics"]
    return values


def assert_kept(stage: str, values: dict[str, Any]) -> None:
    found = KINDS[stage].from_json(values, where=stage)
    assert json.dumps(found.to_json(), sort_keys=True) == json.dumps(values, sort_keys=True)


@pytest.mark.parametrize("stage", list(KINDS))
def test_figures_of_a_finished_study_are_kept(stage: str) -> None:
    assert_kept(stage, recorded(stage))


@pytest.mark.parametrize("stage", list(KINDS))
def test_none_of_them_may_go_and_none_may_come(stage: str) -> None:
    with pytest.raises(InputError, match="surplus"):
        KINDS[stage].from_json({**recorded(stage), "surplus": 1}, where=stage)
    with pytest.raises(InputError, match="missing"):
        KINDS[stage].from_json({}, where=stage)


@pytest.mark.parametrize(
    ("stage", "more"),
    [
        ("cohort", {"unlabelled_images": 4, "unlabelled_subjects": 2}),
        ("cohort", {"text": None, "duplicates": {}, "quarantined": 2, "quarantine_reasons": {"broken": 2}}),
        ("encode", {"codec": "kl", "steps": 20, "kept_step": 10, "held_out_error": 0.5}),
        ("encode", {"codec": "kl", "steps": 20, "kept_step": 20, "held_out_error": None}),
        ("encode", {"codec": "vae", "pretrained": PRETRAINED}),
        (
            "encode",
            {"reconstruction": {**dict.fromkeys(("psnr_db", "ssim", "fid", "fid_real")), "images": 0, "subjects": 0}},
        ),
        ("features", {"kind": "pca", "loss": None}),
        (
            "features",
            {"text_encoder": "hf", "text_from": "reports", "text_length": 8, "words": 9, "rare_words": 1}
            | {"condition": "feature+text", "pretrained": PRETRAINED},
        ),
        ("diffusion", {"start": START}),
        ("diffusion", {"start": {**START, "why_unknown": "it is the model of no study"}, "horizontal_flip": None}),
        ("diffusion", {"denoiser_memorised": None, "guide_memorised": None, "denoiser_ema_std": 0.1}),
        ("diffusion", {"denoiser_ended_early": "memorises", "guide_ended_early": "no longer improves"}),
        ("gate", {"kinds": {}, "blind": [], "untried": ["mirror"], "classifier_auroc": None, "shortfall": "too few"}),
        (
            "gate",
            {"consistency": {**dict.fromkeys(("agreement", "kappa")), "false_flag_rates": {"member 1": 0.1}}
             | {"unseen": {"agreement": None, "kappa": None}}},
        ),
        ("gate", {"predicted_labels": PREDICTED}),
        ("synthesis", {"released_with_predicted_labels": 3}),
        ("audit", {"labelled": {**GAME, "train_subjects": 90}, "unlabelled": {**GAME, "train_subjects": 10}}),
        ("audit", {"labelled": GAME, "unlabelled": {"train_subjects": "<5", "verdict": "inconclusive"}}),
        ("audit", {"kinds": [{"kind": "half", "copies": 60, "seen": 0.5, "seen_lower": 0.3}], "blind": ["half"]}),
        ("audit", {"advantage": None, "advantage_upper": 1.0, "verdict": "inconclusive", "reasons": ["few"]}),
        ("utility", {"ceiling_note": "no better than chance", "ceiling_gap_interval": None}),
        ("utility", {"metrics": {"note": "fewer than 20 synthetic images"}}),
        ("utility", {"classes": {}, "worst_class": None, "gap": None, "gap_upper": 1.0, "gap_interval": None}),
    ],
)  # fmt: skip
def test_figures_that_a_demo_does_not_have_are_kept(stage: str, more: dict[str, Any]) -> None:
    assert_kept(stage, {**recorded(stage), **more})


def test_a_condition_without_images_has_only_its_length() -> None:
    assert_kept("features", {"condition": "uncond", "condition_length": 0})


def test_a_guide_that_is_the_earlier_self_has_no_training_of_its_own() -> None:
    values = {key: value for key, value in recorded("diffusion").items() if not key.startswith("guide_")}
    assert_kept("diffusion", {**values, "guide_parameters": 5, "guide_images": 10})


def test_an_audit_that_was_not_played_has_no_game() -> None:
    names = ("verdict", "reasons", "notes", "advantage", "advantage_upper", "policy_upper", "profile", "tests")
    assert_kept("audit", {name: recorded("audit")[name] for name in names} | {"advantage": None, "tests": []})


def test_a_utility_without_the_ceiling_has_no_figure_of_it() -> None:
    values = {key: value for key, value in recorded("utility").items() if not key.startswith("ceiling")}
    assert_kept("utility", values)


def test_metrics_of_few_images_say_of_each_figure_why_it_is_not_known() -> None:
    metrics = {**recorded("utility")["metrics"], "irs": None, "irs_test": None, "fid": None, "notes": {"fid": "few"}}
    assert_kept("utility", {**recorded("utility"), "metrics": metrics})
