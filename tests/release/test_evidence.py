"""Evidence holds aggregates only, and what the writer makes the verifier accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from unpersonal.audit.copied_figures import Copied, RepeatFigures
from unpersonal.audit.figures import KindRow
from unpersonal.audit.result import masked
from unpersonal.judges.figures import KindFigures
from unpersonal.release.evidence import COMPLEMENT, SUPPRESSED, evidence_problems, key_words, safe_evidence
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.published import as_released, build_evidence
from unpersonal.report.summary import Summary
from unpersonal.synthesis.figures import LabelSetFigures


def test_key_words() -> None:
    assert key_words("worstSubject_id") == {"worst", "subject", "id"}
    assert key_words("nearest-path.0") == {"nearest", "path", "0"}


def test_small_cells_are_suppressed_and_rates_are_kept() -> None:
    evidence = safe_evidence(
        {"a": {"images": 300, "quarantined": 0, "rate": 0.25, "flagged": 3.0, "ok": True}, "hist": [0, 4, 5]}
    )
    assert evidence["a"] == {"images": 300, "quarantined": SUPPRESSED, "rate": 0.25, "flagged": SUPPRESSED, "ok": True}
    assert evidence["hist"] == [SUPPRESSED, SUPPRESSED, 5]


def test_a_single_hidden_category_cannot_be_computed_by_subtraction() -> None:
    labels = safe_evidence({"labels": {"normal": 100, "virus": 3, "bacteria": 40}})["labels"]
    assert labels == {"normal": 100, "virus": SUPPRESSED, "bacteria": COMPLEMENT}


def test_figures_of_a_tiny_group_are_withheld() -> None:
    row = safe_evidence({"classes": {"virus": {"subjects": 3, "images": 9, "auroc_real": 0.8}}})["classes"]["virus"]
    assert row == {"subjects": SUPPRESSED, "images": 9, "auroc_real": COMPLEMENT}


@pytest.mark.parametrize(
    "leak",
    [
        {"worst_subject": "p1"},
        {"path": "a"},
        {"deep": [{"seed": 12345}]},
        {"sourceRow": 9},
        {"nearest": [1.0]},
        {"subjects": ["p1", "p2"]},
        {"note": "see images/p1.png"},
        {"note": "C:\\images"},
        {"a/b.png": 0.5},
    ],
)
def test_what_names_a_person_is_dropped_by_the_writer_and_found_by_the_verifier(leak: dict[str, Any]) -> None:
    assert evidence_problems(leak)
    evidence = safe_evidence({"gate": {"miss_rate": 0.01, **leak}})
    assert evidence["gate"]["miss_rate"] == 0.01
    assert evidence_problems(evidence) == []
    assert "p1" not in json.dumps(evidence)


@pytest.mark.parametrize("cell", [{"x": 0}, {"x": 4}, {"flagged": 2.0}, {"x": [[7, 1]]}, {"a": {"b": [{"c": 3}]}}])
def test_the_verifier_finds_small_cells(cell: dict[str, Any]) -> None:
    assert any("cell" in problem for problem in evidence_problems(cell))
    assert evidence_problems(safe_evidence(cell)) == []


def test_numbers_that_are_not_finite_become_null_and_numpy_becomes_plain() -> None:
    import numpy as np

    evidence = safe_evidence({"a": float("nan"), "b": np.float32(0.5), "n": np.int64(2), "c": (1.0, float("inf"))})
    assert evidence == {"a": None, "b": 0.5, "n": SUPPRESSED, "c": [1.0, None]}
    json.dumps(evidence, allow_nan=False)


def test_settings_are_written_as_text() -> None:
    assert safe_evidence({"utility": {"repeats": 2}})["utility"]["repeats"] == "2"


@pytest.mark.parametrize("text", ["train/control", "and/or", "at weight <= 2.2e-05", "0.5. Then", "50 % of 3.7"])
def test_plain_language_is_no_path(text: str) -> None:
    assert safe_evidence({"note": text}) == {"note": text} and evidence_problems({"note": text}) == []


@pytest.mark.parametrize("text", ["/home/x", "a/b/c", "see ./x", "~/x", "x.dcm", "in C:\\x", "p1.nii.gz", "../up"])
def test_paths_are_dropped(text: str) -> None:
    assert safe_evidence({"note": text}) == {"note": None} and evidence_problems({"note": text})


@pytest.mark.parametrize("label", ["hernia", "flagged nodule", "positives", "n"])
def test_no_hidden_count_of_the_cohort_can_be_had_by_subtraction(
    label: str, demo_summary: Summary, alter: Callable[..., StudyFigures]
) -> None:
    """Everything that is told is tried: no sum or difference of two told numbers gives a hidden one."""
    cohort = {
        "read": 1003,
        "images": 1000,
        "quarantined": 3,
        "quarantine_reasons": {"constant": 3},
        "images_by_label": {"No Finding": 996, label: 4},
        "images_by_split": {"train": 500, "val": 297, "aux": 3, "test": 200},
    }
    figures = alter(demo_summary.figures, "cohort", **cohort)
    told = safe_evidence(build_evidence(figures, PolicyConfig(), []))["cohort"]
    assert not evidence_problems(told)
    assert told["quarantined"] == SUPPRESSED and told["images"] == 1000 and told["read"] == COMPLEMENT
    for name in ("images_by_label", "images_by_split"):
        shown = [value for value in told[name].values() if isinstance(value, int)]
        assert len(told[name]) - len(shown) >= 2 and told["images"] - sum(shown) >= 5


def test_what_the_gate_finds_is_told_whole_and_keeps_the_rules(figures: StudyFigures) -> None:
    """Every kind of copy, what it is blind to, and what the policy lets be: as recorded, through a file and back."""
    assert figures.gate is not None
    wide = PolicyConfig(may_be_blind=("other-visit", "mirror"))
    evidence = json.loads(json.dumps(safe_evidence(build_evidence(figures, wide, []))))
    assert evidence_problems(evidence) == []
    recorded = figures.gate.to_json()
    for name in ("kinds", "blind", "untried", "matchers", "false_flag_rate_of", "strangers", "gallery_subjects"):
        assert evidence["gate"][name] == recorded[name]
    assert evidence["gate"]["protected"] == {**recorded["protected"], "missed": SUPPRESSED}
    assert evidence["policy"]["may_be_blind"] == ["other-visit", "mirror"]
    assert evidence["policy"]["blind_beyond_default"] == ["mirror"]
    assert not {"blind_beyond_default", "looser_than_default"} & set(
        build_evidence(figures, PolicyConfig(), [])["policy"]
    )
    assert evidence["policy"]["looser_than_default"] == ["may_be_blind"]


def test_limits_that_are_looser_than_the_default_are_told(figures: StudyFigures) -> None:
    evidence = safe_evidence(build_evidence(figures, PolicyConfig(gate_miss_upper=1, match_power=0), []))
    assert evidence_problems(json.loads(json.dumps(evidence))) == []
    assert evidence["policy"]["looser_than_default"] == ["gate_miss_upper", "match_power"]
    assert evidence["policy"]["match_power"] == 0.0


def test_recall_of_a_handful_of_people_is_withheld(figures: StudyFigures, alter: Callable[..., StudyFigures]) -> None:
    few = KindFigures(subjects=3, recall=1.0, recall_lower=0.368, promised=False, blind=True)
    told = safe_evidence(build_evidence(alter(figures, "gate", kinds={"other-visit": few}), PolicyConfig(), []))
    assert told["gate"]["kinds"]["other-visit"] == {
        **{"subjects": SUPPRESSED, "recall": COMPLEMENT, "recall_lower": COMPLEMENT},
        **{"promised": False, "blind": True},
    }


def test_what_the_audit_does_not_see_is_told(figures: StudyFigures, alter: Callable[..., StudyFigures]) -> None:
    rows = (KindRow("rotation 10°", 60, 0.5, 0.387), KindRow("mirror", 3, 1.0, 0.368))
    told = safe_evidence(build_evidence(alter(figures, "audit", kinds=rows, blind=("mirror",)), PolicyConfig(), []))
    assert evidence_problems(json.loads(json.dumps(told))) == [] and told["audit"]["blind"] == ["mirror"]
    assert told["audit"]["kinds"][0] == rows[0].to_json() and told["audit"]["kinds"][1]["copies"] == SUPPRESSED


def test_what_passed_of_a_label_set_is_not_told_beside_what_is_released(
    figures: StudyFigures, alter: Callable[..., StudyFigures]
) -> None:
    """Else whoever counts the labels knew how many images of it were dropped for showing somebody."""
    sets = (LabelSetFigures("normal", 60, 57), LabelSetFigures("virus", 60, 50))
    given = as_released(alter(figures, "synthesis", label_sets=sets), [["normal"]] * 56 + [["virus"]] * 47)
    told = build_evidence(given, PolicyConfig(), [])["synthesis"]
    assert isinstance(told, dict)
    assert told["label_sets"] == [
        {"labels": "normal", "planned": COMPLEMENT, "released": 56},
        {"labels": "virus", "planned": 60, "released": 47},
    ]


@pytest.fixture
def dropping(figures: StudyFigures, alter: Callable[..., StudyFigures]) -> Callable[[int, int], StudyFigures]:
    """Figures of a study of which 393 images are released, by how many the audit dropped and draws gave no image."""

    def study(dropped: int, without: int) -> StudyFigures:
        passed = 393 + dropped
        sets = LabelSetFigures("normal", 193 + 60, 193 + dropped), LabelSetFigures("virus", passed + without, 200)
        given = alter(
            figures,
            "synthesis",
            sources=8123,
            draws=passed + without,
            draws_without_image=without,
            released=passed,
            label_sets=sets,
            released_with_predicted_labels=passed,
        )
        few, repeats = masked(dropped), RepeatFigures(images=6, clusters=5, largest=5, likeness=0.9, strangers=80)
        copied = Copied(
            **{"found": True, "images": few, "people": few, "identical": few, "released": passed, "level": 0.05},
            **{"matchers": (), "carried": True, "control_images": few, "repeats": repeats, "dropped": few},
        )
        return alter(given, "audit", copied=copied, released=393)

    return study


def numbers(value: object, where: str = "") -> dict[str, float]:
    """Every number of a JSON value, by where it stands."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {path: number for key, item in items for path, number in numbers(item, f"{where}.{key}").items()}
    return {where: float(value)} if isinstance(value, int | float) and not isinstance(value, bool) else {}


@pytest.mark.parametrize("without", [7, 300])
def test_how_many_images_the_audit_dropped_follows_from_no_figures(
    dropping: Callable[[int, int], StudyFigures], without: int
) -> None:
    """What is told is the same however few were dropped of what was planned; so no figures together tell it."""
    labels = [["normal"]] * 193 + [["virus"]] * 200
    told = []
    for dropped in (1, 2, 3, 4):
        # as many were planned and as many are released: what differs is why the others are not
        given = as_released(dropping(dropped, without - dropped), labels)
        told.append(safe_evidence(build_evidence(given, PolicyConfig(), [])))
        assert not evidence_problems(json.loads(json.dumps(told[-1])))
    assert all(other == told[0] for other in told[1:])
    assert told[0]["audit"]["copied"]["dropped"] == SUPPRESSED


def test_no_sum_or_difference_of_two_figures_is_what_the_audit_dropped(
    dropping: Callable[[int, int], StudyFigures],
) -> None:
    """Beside all that is told, whoever has the release counts its images, and those of each label."""
    labels = [["normal"]] * 193 + [["virus"]] * 200
    studies = [dropping(dropped, 4111) for dropped in (1, 2, 3, 4)]
    assert not tells([as_released(each, labels) for each in studies])
    # what the stages recorded does: the test sees it
    assert tells(studies)


def tells(studies: list[StudyFigures]) -> bool:
    """Whether a sum or difference of two numbers that are told is 1, 2, 3, 4 in these studies, one after the other."""
    counted = {"images": 393.0, "normal": 193.0, "virus": 200.0, "nothing": 0.0}
    every = [numbers(safe_evidence(build_evidence(each, PolicyConfig(), []))) | counted for each in studies]
    shared = [name for name in every[0] if all(name in each for each in every)]
    values = np.array([[each[name] for name in shared] for each in every])
    follows = np.arange(1, 5)[:, None, None]
    both = values[:, :, None] + values[:, None], values[:, :, None] - values[:, None]
    return any(bool((found == follows).all(axis=0).any()) for found in both)
