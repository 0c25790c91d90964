"""What a release tells of parts that were trained elsewhere, and what its policy reads of a study made before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unpersonal.core.errors import PolicyRefused
from unpersonal.core.files import write_json
from unpersonal.diffusion.config import DiffusionConfig
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.pretrained import pretrained_statements
from unpersonal.release.stage import run_stage, with_settings
from unpersonal.release.verify import verify_release
from unpersonal.report.html import build_report
from unpersonal.report.sentences import stage_sentences
from unpersonal.study import Study, StudyConfig, stage_list

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


def release(study: Path, figures: dict[str, Any]) -> dict[str, Any]:
    return run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)


def add_pretrained(figures: dict[str, Any], room: str, recorded: bool = True) -> None:
    name, kind = KINDS[room]
    figures[room] = {name: kind, "condition": "text"}
    if recorded:
        figures[room]["pretrained"] = {"source": SECRET, "sha256": SHA, "known_people": False}


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("rooms", [("encode",), ("features",), ("encode", "features")])
def test_what_was_trained_elsewhere_is_told_and_no_shortfall(
    make_study: Make, figures: dict[str, Any], rooms: tuple[str, ...], recorded: bool
) -> None:
    study = make_study()
    for room in rooms:
        add_pretrained(figures, room, recorded)
    assert release(study, figures)["shortfalls"] == []
    assert verify_release(study / "release") == []
    evidence = json.loads((study / "release" / "evidence.json").read_text(encoding="utf-8"))
    card = " ".join((study / "release" / "README.md").read_text(encoding="utf-8").split())
    for room, sentence in SENTENCES.items():
        assert card.count(sentence) == (room in rooms)
        assert (room in evidence) == (room in rooms)
    for room in rooms:
        name, kind = KINDS[room]
        facts = {"sha256": SHA if recorded else None, "known_people": False, "note": SENTENCES[room]}
        assert evidence[room] == {name: kind, "pretrained": facts}
    assert "every image of this study the model was trained on" in card
    assert not [path for path in (study / "release").rglob("*") if path.is_file() and SECRET in str(path.read_bytes())]
    assert pretrained_statements(evidence) == pretrained_statements(figures)


def test_the_report_and_the_terminal_tell_it_too(make_study: Make, figures: dict[str, Any]) -> None:
    study = make_study()
    figures["seconds"] = {"encode": 1.0, "features": 1.0}
    add_pretrained(figures, "encode")
    add_pretrained(figures, "features")
    html = build_report(study, figures).read_text(encoding="utf-8")
    said = stage_sentences(figures)
    assert SECRET not in html and "somebody of this study the model was trained on" in html
    for room, sentence in SENTENCES.items():
        assert html.count(sentence) == 1
        assert said[room].endswith(f"; t{sentence[1:-1]}")


@pytest.mark.parametrize("kind", ["patch", "pixel", "kl"])
def test_of_what_was_trained_here_nothing_is_said(make_study: Make, figures: dict[str, Any], kind: str) -> None:
    study = make_study()
    figures["seconds"] = {"encode": 1.0, "features": 1.0}
    figures |= {"encode": {"codec": kind}, "features": {"text_encoder": "bow", "dimensions": 64}}
    release(study, figures)
    texts = [path.read_text(encoding="utf-8") for path in (study / "release").iterdir() if path.is_file()]
    texts += [build_report(study, figures).read_text(encoding="utf-8"), *stage_sentences(figures).values()]
    assert not any("trained elsewhere" in text for text in texts)


def write_record(study: Path, **settings: Any) -> None:
    write_json(study / "models" / "diffusion" / "stage.json", {"config": {"seed": 1, "diffusion": settings}})


def test_a_study_made_before_is_judged_by_the_settings_of_its_record(make_study: Make, figures: dict[str, Any]) -> None:
    study = make_study()
    del figures["diffusion"]["horizontal_flip"], figures["diffusion"]["guide_memorised"]
    for settings in ({"horizontal_flip": True, "guide": "uncond"}, {"horizontal_flip": 0, "guide": "uncond"}):
        write_record(study, **settings)
        with pytest.raises(PolicyRefused, match="mirrored"):
            release(study, figures)
    write_record(study, horizontal_flip=False, guide="smaller")
    with pytest.raises(PolicyRefused, match="guide_memorised is None"):
        release(study, figures)
    for guide in ("uncond", "earlier"):
        write_record(study, horizontal_flip=False, guide=guide)
        release(study, figures)
    assert (study / "release").is_dir()


def test_the_record_has_the_settings_where_they_are_sought(tmp_path: Path) -> None:
    stage = next(stage for stage in stage_list() if stage.name == "diffusion")
    config = StudyConfig.model_construct(seed=1, diffusion=DiffusionConfig(horizontal_flip=True, guide="smaller"))
    write_json(tmp_path / stage.record, {"config": Study(tmp_path, config).engine.settings(stage)})
    found = with_settings(tmp_path, {"diffusion": {"denoiser_memorised": False}})
    assert found == {"diffusion": {"denoiser_memorised": False, "guide": "smaller", "horizontal_flip": True}}


def test_a_figure_comes_before_a_setting(make_study: Make, figures: dict[str, Any]) -> None:
    study = make_study()
    write_record(study, horizontal_flip=False)
    figures["diffusion"]["horizontal_flip"] = True
    with pytest.raises(PolicyRefused) as refusal:
        release(study, figures)
    assert len(refusal.value.reasons) == 1 and "mirrored copies" in refusal.value.reasons[0]
    assert not (study / "release").exists()


@pytest.mark.parametrize("content", [None, "{", "[]", '{"config": 3}', "[" * 100_000, '{"config": {"diffusion": {}}}'])
def test_without_a_record_of_the_settings_nothing_is_released(
    make_study: Make, figures: dict[str, Any], content: str | None
) -> None:
    study = make_study()
    del figures["diffusion"]["horizontal_flip"], figures["diffusion"]["guide_memorised"]
    if content is not None:
        write_record(study)
        (study / "models" / "diffusion" / "stage.json").write_text(content, encoding="utf-8")
    with pytest.raises(PolicyRefused) as refusal:
        release(study, figures)
    assert len(refusal.value.reasons) == 2
