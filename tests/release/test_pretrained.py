"""What a release tells of networks that were trained elsewhere, and what its policy reads of the stages' records."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unpersonal.codec.figures import PretrainedFigures
from unpersonal.core.errors import InputError, PolicyRefused
from unpersonal.core.records import StageRecord
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.release.figures import ReleaseFigures, StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.pretrained import pretrained
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import verify_release
from unpersonal.report.html import build_report
from unpersonal.report.sentences import stage_sentences
from unpersonal.report.summary import Summary
from unpersonal.study import Study, StudyConfig

Make = Callable[..., Path]
SECRET = "SECRETNAME"
SHA = "cd" * 32
KINDS = {"encode": ("codec", "vae"), "features": ("text_encoder", "hf")}
SENTENCES = {
    "encode": "The codec was trained elsewhere, on people who are not known here; neither gate nor audit compares with "
    "them.",
    "features": "The text encoder was trained elsewhere, on texts of people who are not known here; neither gate nor "
    "audit compares with them.",
}


def release(study: Path, figures: StudyFigures) -> ReleaseFigures:
    return run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)


def add_pretrained(figures: StudyFigures, demo: StudyFigures, stage: str, recorded: bool = True) -> StudyFigures:
    origin = PretrainedFigures(source=SECRET, sha256=SHA, known_people=False) if recorded else None
    if stage == "encode":
        assert demo.encode is not None
        return replace(figures, encode=replace(demo.encode, codec="vae", pretrained=origin))
    assert demo.features is not None
    text = replace(demo.features, condition="text", text_encoder="hf", text_from="reports", pretrained=origin)
    return replace(figures, features=text)


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("stages", [("encode",), ("features",), ("encode", "features")])
def test_what_was_trained_elsewhere_is_told_and_no_shortfall(
    make_study: Make, figures: StudyFigures, demo_summary: Summary, stages: tuple[str, ...], recorded: bool
) -> None:
    study = make_study()
    for stage in stages:
        figures = add_pretrained(figures, demo_summary.figures, stage, recorded)
    assert release(study, figures).shortfalls == ()
    assert verify_release(study / "release") == []
    evidence = json.loads((study / "release" / "evidence.json").read_text(encoding="utf-8"))
    card = " ".join((study / "release" / "README.md").read_text(encoding="utf-8").split())
    for stage, sentence in SENTENCES.items():
        assert card.count(sentence) == (stage in stages)
        assert (stage in evidence) == (stage in stages)
    for stage in stages:
        name, kind = KINDS[stage]
        facts = {"sha256": SHA if recorded else None, "known_people": False, "note": SENTENCES[stage]}
        assert evidence[stage] == {name: kind, "pretrained": facts}
    assert "every image of every person of the study" in card
    assert not [path for path in (study / "release").rglob("*") if path.is_file() and SECRET in str(path.read_bytes())]
    assert [item.note for item in pretrained(figures)] == [SENTENCES[stage] for stage in stages]


def test_the_report_and_the_terminal_tell_it_too(
    make_study: Make, figures: StudyFigures, demo_summary: Summary
) -> None:
    study = make_study()
    for stage in ("encode", "features"):
        figures = add_pretrained(figures, demo_summary.figures, stage)
    summary = replace(demo_summary, figures=figures)
    html = build_report(study, summary).read_text(encoding="utf-8")
    said = stage_sentences(summary)
    assert SECRET not in html and "finds somebody of this study" in html
    for stage, sentence in SENTENCES.items():
        assert html.count(sentence) == 1
        assert said[stage].endswith(f"; t{sentence[1:-1]}")


@pytest.mark.parametrize("kind", ["patch", "pixel", "kl"])
def test_of_what_was_trained_here_nothing_is_said(
    make_study: Make, figures: StudyFigures, demo_summary: Summary, kind: str
) -> None:
    study, demo = make_study(), demo_summary.figures
    assert demo.encode is not None and demo.features is not None
    text = replace(demo.features, text_encoder="bow", text_from="labels")
    figures = replace(figures, encode=replace(demo.encode, codec=kind), features=text)
    summary = replace(demo_summary, figures=figures)
    release(study, figures)
    texts = [path.read_text(encoding="utf-8") for path in (study / "release").iterdir() if path.is_file()]
    texts += [build_report(study, summary).read_text(encoding="utf-8"), *stage_sentences(summary).values()]
    assert not any("trained elsewhere" in text for text in texts)


def record(stage: str, figures: dict[str, Any], **settings: Any) -> StageRecord:
    return StageRecord(
        stage=stage,
        key="",
        config={"seed": 1, "diffusion": settings},
        inputs={},
        outputs={},
        figures=figures,
        seconds=1.0,
        versions={},
        plugins=[],
    )


@pytest.mark.parametrize("guide", ["smaller", 3, None, ...])
def test_a_guide_that_nobody_judged_is_known_by_the_settings_of_its_record(
    make_study: Make, figures: StudyFigures, guide: Any
) -> None:
    study = make_study()
    assert figures.diffusion is not None
    unjudged = replace(figures.diffusion, guide_memorised=None).to_json()
    for settings in ({"guide": "uncond"}, {"guide": "earlier"}, {} if guide is ... else {"guide": guide}):
        kind = StudyFigures.recorded({"diffusion": record("diffusion", unjudged, **settings)})
        judged = replace(figures, diffusion=kind.diffusion, guide=kind.guide)
        if settings.get("guide") in ("uncond", "earlier"):
            assert release(study, judged).shortfalls == ()
            continue
        with pytest.raises(PolicyRefused, match="guide_memorised is None"):
            release(study, judged)
        assert not (study / "release").exists()


def test_the_record_has_the_settings_where_they_are_sought(tmp_path: Path) -> None:
    config = StudyConfig.model_construct(seed=1, diffusion=DiffusionConfig(guide="smaller"))
    study = Study(tmp_path, config)
    settings = study.engine.settings(study.context.stage("diffusion"))
    assert settings["diffusion"]["guide"] == "smaller"


def test_records_that_are_not_right_are_refused_by_name(figures: StudyFigures) -> None:
    assert figures.audit is not None
    for wrong in ({}, {**figures.audit.to_json(), "advantage_upper": float("nan")}):
        with pytest.raises(InputError, match=r"audit\."):
            StudyFigures.recorded({"audit": record("audit", wrong)})
    alone = StudyFigures.recorded({"audit": record("audit", figures.audit.to_json())})
    assert alone == StudyFigures(audit=figures.audit)
