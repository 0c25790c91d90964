"""report.html shows no person, loads nothing, and works with whatever is there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.studies import drop_selected, write_attempts
from unpersonal.audit.canary_figures import CanaryFigures
from unpersonal.audit.figures import AuditFigures, LabelledFigures, UnlabelledFigures
from unpersonal.audit.formal import FormalFigures
from unpersonal.audit.swap_figures import SwapFigures, SwapMembership
from unpersonal.core.files import write_json
from unpersonal.core.registry import Plugin
from unpersonal.core.tensors import save_array
from unpersonal.diffusion.figures import StartFigures
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig, check
from unpersonal.release.stage import run_stage
from unpersonal.report.html import build_report
from unpersonal.report.private import build_private
from unpersonal.report.sentences import stage_sentences
from unpersonal.report.summary import Outcome, Summary
from unpersonal.synthesis.figures import LabelSetFigures

from .example import AUDITED, CLASSES, EMPTY, MARKER, SIDE, SUMMARY, Elements, is_real, real_images, tiles, with_figures


def refused(*reasons: str) -> Summary:
    return replace(SUMMARY, outcome=Outcome(released=False, reasons=reasons))


def report_with(study: Path, **diffusion: Any) -> str:
    html = build_report(study, with_figures(SUMMARY, "diffusion", **diffusion)).read_text(encoding="utf-8")
    return " ".join(Elements(html).text.split())


def diffusion_sentence(**diffusion: Any) -> str:
    return stage_sentences(with_figures(SUMMARY, "diffusion", **diffusion))["diffusion"]


@pytest.mark.slow
def test_the_report_shows_every_figure(study: Path) -> None:
    page = Elements(build_report(study, SUMMARY).read_text(encoding="utf-8"))
    for expected in (
        "Released: 12 synthetic images",
        "0.4321",
        "0.8765",
        "0.7777",
        "0.911",
        "0.0098",
        "0.8123",
        "31.23",
        "60.2",
    ):
        assert expected in page.text
    for expected in ("isolation", "noise", "jpeg 50", "0.0625", "virus <b>", "0.87 to 0.93", "false alarms", "0.31"):
        assert expected in page.text
    assert "fits a stranger with a chance of 1 in 45,000" in page.text and "2.2e-05" not in page.text
    # losses and errors of both, ROC curves of both judges, distances, attacks on labels, recall of the gate
    assert sum(tag == "svg" for tag, _ in page.tags) == 9
    assert "has not run" not in page.text


@pytest.mark.slow
def test_the_report_names_and_shows_no_person(study: Path) -> None:
    html = build_report(study, SUMMARY).read_text(encoding="utf-8")
    assert MARKER not in html and "img0" not in html and ".png" not in html and "424242" not in html
    assert str(study) not in html
    pictures = tiles(html)
    assert len(pictures) >= 12 and not any(is_real(tile) for tile in pictures)
    selected = np.load(study / "candidates" / "selected.npy")[:, 0]
    shown = [tile for tile in pictures if not (tile == 255).all()]
    assert all((selected == tile).all(axis=(1, 2)).any() for tile in shown)


@pytest.mark.slow
def test_a_selected_image_that_equals_a_real_one_is_not_shown(study: Path) -> None:
    selected = np.load(study / "candidates" / "selected.npy")
    selected[3] = real_images()[5]
    save_array(study / "candidates" / "selected.npy", selected)
    drop_selected(study)
    html = build_report(study, SUMMARY).read_text(encoding="utf-8")
    assert not any(is_real(tile) for tile in tiles(html))
    assert "Fewer than 5 selected images equal a real image" in html


def test_the_release_names_and_shows_no_person(study: Path) -> None:
    known = with_figures(SUMMARY, "audit", attempts=write_attempts(study))
    planned = tuple(LabelSetFigures(name, 10, 6) for name in CLASSES)
    known = with_figures(with_figures(known, "synthesis", label_sets=planned), "cohort", classes=CLASSES)
    run_stage(study, policy=PolicyConfig(), seed=1, figures=known.figures)
    for path in (study / "release").rglob("*"):
        if path.is_file():
            assert MARKER.encode() not in path.read_bytes() and MARKER not in path.name
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert not is_real(np.asarray(picture))


@pytest.mark.slow
@pytest.mark.parametrize("build", [lambda study: build_report(study, SUMMARY), build_private])
def test_pages_load_nothing_and_run_nothing(study: Path, build: Any) -> None:
    html = build(study).read_text(encoding="utf-8")
    page = Elements(html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base", "form", "audio"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "action", "srcset"):
                assert str(value).startswith(("data:image/png;base64,", "#")), (tag, value)
    assert not re.search(r"url\((?!#)", html) and "@import" not in html
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(re.findall(r"<meta name=\"viewport\"", html)) == 1 and "@media print" in html
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert len(set(sections)) == len(sections) and set(sections) <= set(ids)


@pytest.mark.slow
def test_text_is_escaped(study: Path) -> None:
    html = build_report(study, refused("<script>alert(1)</script>")).read_text(encoding="utf-8")
    assert "&lt;script&gt;" in html and "<script>" not in html and "<b>" not in html


@pytest.mark.slow
def test_a_refusal_names_every_reason(study: Path) -> None:
    reasons = ["audit.verdict is 'fail'; it must be 'pass'", "utility.gap_upper = 0.2 is above the limit 0.05"]
    html = build_report(study, refused(*reasons)).read_text(encoding="utf-8")
    text = Elements(html).text
    assert "Refused: nothing was released" in text and "Released:" not in text
    # the page may leave the building, and what was refused may not
    assert "no image is shown here" in text and not tiles(html)
    assert all(reason in text for reason in reasons)
    assert "The audit did not pass: audit.verdict" in text
    assert 'class="banner bad"' in html


@pytest.mark.slow
def test_reasons_beat_the_word_released(study: Path) -> None:
    outcome = replace(SUMMARY.outcome, reasons=("synthesis/x.png objected",))
    html = build_report(study, replace(SUMMARY, outcome=outcome)).read_text(encoding="utf-8")
    assert 'class="banner bad"' in html and "x.png" not in html


def test_the_report_is_written_whatever_is_missing(study: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    html = build_report(empty, EMPTY).read_text(encoding="utf-8")
    assert "Not released: the study has not come to its end" in html
    assert html.count("This stage has not run") == 10 and html.count("The audit has not run") == 5
    assert "No image was selected" in html
    private = build_private(empty).read_text(encoding="utf-8")
    assert "must not leave the building" in private.lower()
    # broken files are like absent ones
    for path in study.rglob("*"):
        if path.is_file():
            path.write_bytes(b"broken")
    build_report(study, EMPTY)
    build_private(study)


@pytest.mark.slow
def test_the_same_study_gives_the_same_page(study: Path) -> None:
    first = build_report(study, SUMMARY).read_bytes()
    assert build_report(study, SUMMARY).read_bytes() == first


@pytest.mark.slow
def test_no_released_image_and_a_refused_audit_are_written_honestly(study: Path) -> None:
    save_array(study / "candidates" / "selected.npy", np.zeros((0, 1, SIDE, SIDE), dtype=np.uint8))
    save_array(study / "candidates" / "selected_targets.npy", np.zeros((0, 2), dtype=np.float32))
    write_json(study / "candidates" / "selected_labels.json", [])
    for side in ("train", "control"):
        save_array(study / "audit" / f"{side}_distances.npy", np.zeros(0, dtype=np.float32))
    unplayed = AuditFigures(
        verdict="inconclusive",
        reasons=("nothing to audit",),
        notes=(),
        advantage=None,
        advantage_upper=1.0,
        policy_upper=0.05,
        profile="open",
        tests=(),
    )
    summary = replace(EMPTY, figures=StudyFigures(audit=unplayed))
    text = Elements(build_report(study, summary).read_text(encoding="utf-8")).text
    assert "No image was selected" in text and "inconclusive" in text and "Nothing to audit" in text
    assert "not known" in text


@pytest.mark.slow
def test_a_model_that_memorised_is_told(study: Path) -> None:
    quiet = report_with(study)
    assert "No sign was found that the model learnt" in quiet and "denoiser memorised" in quiet
    assert "The model learnt training images by heart" in report_with(study, denoiser_memorised=True)
    for power in (None, 0.79):
        assert "Nobody watched closely enough" in report_with(study, denoiser_match_power=power)
    assert "learnt train images" not in diffusion_sentence(denoiser_memorised=False, guide_memorised=False)
    assert "; it learnt train images by heart" in diffusion_sentence(denoiser_memorised=True)
    assert "; its guide learnt train images by heart" in diffusion_sentence(guide_memorised=True)
    assert diffusion_sentence(denoiser_ended_early="memorises").endswith("ended early, because the model memorises")


@pytest.mark.slow
def test_a_refusal_for_memorisation_is_plain(study: Path) -> None:
    summary = with_figures(SUMMARY, "diffusion", denoiser_memorised=True)
    reasons = tuple(check(PolicyConfig(), summary.figures)[0])
    summary = replace(summary, outcome=Outcome(released=False, reasons=reasons))
    text = Elements(build_report(study, summary).read_text(encoding="utf-8")).text
    assert "learnt images of real people by heart, or was not watched: diffusion.denoiser_memorised is True" in text


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
def test_a_start_from_other_weights_is_told(study: Path, known: bool) -> None:
    start = StartFigures(source="SECRETNAME.pkl", sha256="ab" * 32, share=0.934, note="n", known_people=known)
    text = report_with(study, start=start)
    assert "SECRETNAME" not in text and "ab" * 32 in text
    # in the remarks at the top, and where the model is described
    assert text.count("93.4 % of its parameters came from another model") == 2
    assert "finds somebody of this study" in text
    assert text.count("as far as is known (it started from weights of unknown people)") == (0 if known else 2)
    said = diffusion_sentence(start=start)
    assert "93 % of its weights are of a model" in said and ("unknown people" in said) == (not known)
    plain = report_with(study)
    assert "another model" not in plain and "finds somebody of this study" in plain
    assert "unknown people" not in plain and "a model that" not in diffusion_sentence()


@pytest.mark.slow
def test_swap_soft_labels_people_without_labels_and_colour_have_a_page(study: Path) -> None:
    """Of every design: the answer, its remark, and no figure that breaks the page."""
    audit = AUDITED.figures.audit
    assert audit is not None and audit.primary is not None
    swapped = SwapMembership("membership_by_distance", 0.52, 0.55, 0.49, 0.56, 0.012, 0.02, 0.0)
    apart = UnlabelledFigures(verdict="pass", train_subjects=80, primary=audit.primary, copied=audit.copied)
    summary = with_figures(
        AUDITED,
        "audit",
        swap=SwapFigures(200, 100, 100, 40, 40, "pass", "pass", (swapped,)),
        probabilities=True,
        labelled=LabelledFigures(verdict="pass", advantage=0.0, advantage_upper=0.01, weight=1e-5),
        unlabelled=apart,
        canaries=CanaryFigures(
            canaries=100, guesses=50, right=27, auroc=0.52, epsilon_lower=0.0, delta=1e-5, confidence=0.95
        ),
        formal=FormalFigures(epsilon=8.0, delta=1e-6, subjects=2000, weight=1e-5, bound=1.0),
    )
    summary = with_figures(summary, "synthesis", soft_labels="teacher")
    selected = np.load(study / "candidates" / "selected.npy")
    save_array(study / "candidates" / "selected.npy", np.repeat(selected, 3, axis=1))
    drop_selected(study)
    html = build_report(study, summary).read_text(encoding="utf-8")
    text = " ".join(Elements(html).text.split())
    for said in (
        "Yes, to recipients who sign",
        "What was attacked is the procedure",
        "Swap of two generators",
        "80 train people have no labels",
        "Primary figures: people without labels",
        "Canaries",
        "What is proved",
    ):
        assert said in text, said
    assert len(tiles(html)) >= 12 and not re.search(r"\d[eE]-\d", text)


@pytest.mark.slow
def test_plugins_are_named_in_the_report(study: Path) -> None:
    plugin = Plugin("codec", "theirs", "their-package", "1.5", "ab" * 32)
    summary = replace(SUMMARY, figures=replace(SUMMARY.figures, plugins={"encode": (plugin,)}))
    told = "Parts of other packages were used: codec theirs (their-package 1.5)"
    assert told in build_report(study, summary).read_text(encoding="utf-8")
    assert "other packages" not in build_report(study, SUMMARY).read_text(encoding="utf-8")
