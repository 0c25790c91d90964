"""The report shows no person, loads nothing, works with whatever is there; the private page does, and says so."""

from __future__ import annotations

import base64
import copy
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unpersonal.audit.figures import AuditFigures
from unpersonal.cohort.table import Cohort
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_json
from unpersonal.core.registry import Plugin
from unpersonal.core.tensors import save_array
from unpersonal.diffusion.figures import StartFigures
from unpersonal.release.figures import StudyFigures
from unpersonal.release.lock import pixel_hash
from unpersonal.release.policy import PolicyConfig, check
from unpersonal.release.stage import run_stage
from unpersonal.report import sections
from unpersonal.report.charts import data_uri, history_series, sample_sheet
from unpersonal.report.html import build_report
from unpersonal.report.page import Page, render
from unpersonal.report.private import build_private
from unpersonal.report.public import Public
from unpersonal.report.sentences import stage_sentences
from unpersonal.report.summary import Outcome, Summary

MARKER = "SUBJECTMARKER"
CLASSES = ("normal", "virus <b>")
SIDE = 32

DEMO = json.loads((Path(__file__).parents[1] / "data" / "demo_summary.json").read_text(encoding="utf-8"))


def with_figures(summary: Summary, stage: str, **values: Any) -> Summary:
    """A summary with other values in one stage."""
    figures = replace(summary.figures, **{stage: replace(getattr(summary.figures, stage), **values)})
    return replace(summary, figures=figures)


def example() -> Summary:
    """Figures of every stage, with markers wherever a person could show through."""
    values = copy.deepcopy(DEMO)
    values["seed"] = 424242
    values["seconds"] = {"cohort": 1.5, "synthesis": 60.25}
    values["encode"]["reconstruction"] |= {
        "psnr_db": {"value": 31.2345, "lower": 30.1111, "upper": 32.2222},
        "ssim": {"value": 0.9123, "lower": 0.9012, "upper": 0.9234},
        "fid": 1.2346,
        "fid_real": None,
    }
    values["cohort"]["images_by_label"] = {"normal": 20, "virus <b>": 20}
    values["synthesis"]["released"] = 12
    values["gate"] |= {
        "miss_rate_upper": 0.009,
        "false_flag_rate": 0.31,
        "miss_rate_of": {"crop": 0.0, "jpeg": 0.004},
        "statement": f"read from data/{MARKER}_001/img001_{MARKER}.png",
    }
    values["audit"] |= {"advantage": 0.001, "advantage_upper": 0.03, "weight": 2.2e-5}
    values["audit"]["notes"] = [f"{MARKER}_007 looks strange"]
    values["audit"]["tests"] = [{"name": "isolation", "statistic": 0.001, "p": 0.4321, "p_adjusted": 0.8765}]
    values["audit"]["placebo"]["isolation_p"] = 0.7777
    values["audit"]["planted"]["kinds"] = [{"kind": "noise", "copies": 12, "power": 0.9111}]
    row = {"nominal": 0.01, "observed": 0.0098, "lower": 0.0, "upper": 0.02, "resolvable": True}
    values["audit"]["weights"]["calibration"] = [row]
    numbers = {"auroc_real": 0.9, "auroc_synthetic": 0.89}
    row = {**numbers, "gap": 0.01, "images": 30, "subjects": 20, "uncertain": False}
    values["utility"] = {key: value for key, value in values["utility"].items() if not key.startswith("ceiling")}
    values["utility"] |= {**numbers, "gap": 0.01, "gap_upper": 0.02, "auroc_real_interval": [0.87, 0.93]}
    values["utility"]["classes"] = {"virus <b>": row}
    values["metrics"] |= {"irs": 0.8123, "fid": 3.0, "notes": {"fid": f"about {MARKER}_003 only"}}
    values["release"] = {"released": True, "reasons": [], "images": 12, "files": 16, "bytes": 900}
    values["release"]["shortfalls"] = ["gate.false_flag_rate = 0.31 is much"]
    summary = Summary.from_json(values, where="example")
    return with_figures(summary, "audit", confidence=None)


SUMMARY = example()
EMPTY = Summary(seed=0, outcome=Outcome(released=False, reasons=()))


def real_images() -> np.ndarray:
    """uint8 [40,1,32,32]: a lattice that no other picture here has, numbered by its first pixels."""
    images = np.zeros((40, 1, SIDE, SIDE), dtype=np.uint8)
    images[:, :, ::2, 1::2] = 251
    images[:, 0, 0, 0] = np.arange(40)
    return images


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study whose every stage has left its files, with markers wherever a person could show through."""
    import pandas as pd

    folder, rng, real = tmp_path / "study", np.random.default_rng(3), real_images()
    names = [f"{MARKER}_{row // 2:03d}" for row in range(40)]
    table = pd.DataFrame(
        {
            "image": [f"data/{name}/img{row:03d}_{MARKER}.png" for row, name in enumerate(names)],
            "subject": names,
            "labels": [[CLASSES[row // 2 % 2]] for row in range(40)],
            "split": ["train" if row < 20 else ("val", "aux", "test")[row // 2 % 3] for row in range(40)],
            "sha256": [f"{row:064x}" for row in range(40)],
        }
    )
    folder.mkdir()
    Cohort(table, CLASSES).save(folder)
    save_array(folder / "store" / "images.npy", real)
    drawn = rng.integers(60, 200, (30, 1, SIDE, SIDE), dtype=np.uint8)
    flagged = np.arange(30) % 3 == 2
    chosen = np.flatnonzero(~flagged)[:12]
    ledger = pd.DataFrame(
        {
            "source": np.arange(30),
            "attempt": 0,
            "candidate": 0,
            "score": np.where(flagged, 0.9, 0.1 + 0.001 * np.arange(30)),
            "nearest": np.arange(30) % 20,
            "flagged": flagged,
            "selected": np.isin(np.arange(30), chosen),
            "sha256": [pixel_hash(image) for image in drawn],
        }
    )
    (folder / "candidates").mkdir()
    ledger.to_parquet(folder / "candidates" / "ledger.parquet", index=False)
    save_array(folder / "candidates" / "selected.npy", drawn[chosen])
    save_array(folder / "candidates" / "selected_targets.npy", np.eye(2, dtype=np.float32)[chosen % 2])
    write_json(folder / "candidates" / "selected_labels.json", [[CLASSES[row % 2]] for row in chosen])
    rows = [{"step": step, "loss": 1.0 / step, "train_error": 0.2, "held_out_error": 0.3} for step in (1, 2, 4)]
    write_json(folder / "models" / "diffusion" / "history.json", {"denoiser": rows, "guide": rows})
    write_json(folder / "models" / "judges" / "history.json", {"reidentifier": [rows, rows], "classifier": rows})
    curve = {"fpr": [0.0, 0.1, 1.0], "tpr": [0.0, 0.8, 1.0]}
    write_json(folder / "models" / "judges" / "roc.json", {"reidentifier": curve, "classifier": {"normal": curve}})
    worst, pairs = [{"train": 4, "predicates": 9}], [{"train": 7, "synthetic": 2, "distance": 0.5}]
    write_json(folder / "audit" / "private.json", {"worst": worst, "pairs": pairs})
    for side in ("train", "control"):
        save_array(folder / "audit" / f"{side}_distances.npy", rng.random(20).astype(np.float32))
    return folder


class Elements(HTMLParser):
    """Every tag with its attributes, and the text outside of tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def tiles(html: str) -> list[np.ndarray]:
    """Every [32,32] tile of every picture in the page, as 8-bit grey."""
    found = []
    for tag, attributes in Elements(html).tags:
        if tag == "img":
            head, data = str(attributes["src"]).split(",", 1)
            assert head == "data:image/png;base64"
            with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
                assert not picture.info
                pixels = np.asarray(picture.convert("L"))
            for top in range(2, pixels.shape[0] - SIDE, SIDE + 2):
                found += [
                    pixels[top : top + SIDE, left : left + SIDE] for left in range(2, pixels.shape[1] - SIDE, SIDE + 2)
                ]
    return found


def is_real(tile: np.ndarray) -> bool:
    return bool((real_images()[:, 0] == tile).mean(axis=(1, 2)).max() > 0.9)


def test_the_report_shows_every_figure(study: Path) -> None:
    page = Elements(build_report(study, SUMMARY).read_text(encoding="utf-8"))
    for expected in (
        "Released: 12 synthetic images",
        "0.4321",
        "0.8765",
        "0.7777",
        "0.9111",
        "0.0098",
        "0.8123",
        "31.23",
        "60.2",
    ):
        assert expected in page.text
    for expected in ("isolation", "noise", "jpeg", "0.004", "virus <b>", "0.87 to 0.93", "Shortfall", "0.31"):
        assert expected in page.text
    assert "at predicate weight ≤ 2.2e-05" in page.text
    assert sum(tag == "svg" for tag, _ in page.tags) == 7
    assert "has not run" not in page.text


def test_the_report_names_and_shows_no_person(study: Path) -> None:
    html = build_report(study, SUMMARY).read_text(encoding="utf-8")
    assert MARKER not in html and "img0" not in html and ".png" not in html and "424242" not in html
    assert str(study) not in html
    pictures = tiles(html)
    assert len(pictures) >= 12 and not any(is_real(tile) for tile in pictures)
    selected = np.load(study / "candidates" / "selected.npy")[:, 0]
    shown = [tile for tile in pictures if not (tile == 255).all()]
    assert all((selected == tile).all(axis=(1, 2)).any() for tile in shown)


def test_a_selected_image_that_equals_a_real_one_is_not_shown(study: Path) -> None:
    selected = np.load(study / "candidates" / "selected.npy")
    selected[3] = real_images()[5]
    save_array(study / "candidates" / "selected.npy", selected)
    html = build_report(study, SUMMARY).read_text(encoding="utf-8")
    assert not any(is_real(tile) for tile in tiles(html))
    assert "1 selected images equal a real image" in html


def test_the_private_page_shows_people_and_says_so(study: Path) -> None:
    html = build_private(study).read_text(encoding="utf-8")
    assert "must not leave the building" in html.lower()
    assert f"{MARKER}_002" in html and f"{MARKER}_003" in html
    assert sum(is_real(tile) for tile in tiles(html)) == 14
    # the borderline pairs come with the highest score first
    scores = [float(value) for value in re.findall(r"<figcaption>score ([0-9.]+)", html)]
    assert len(scores) == 12 and scores == sorted(scores, reverse=True)


def test_the_release_names_and_shows_no_person(study: Path) -> None:
    run_stage(study, policy=PolicyConfig(), seed=1, figures=SUMMARY.figures)
    for path in (study / "release").rglob("*"):
        if path.is_file():
            assert MARKER.encode() not in path.read_bytes() and MARKER not in path.name
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert not is_real(np.asarray(picture))


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


def test_text_is_escaped(study: Path) -> None:
    html = build_report(study, refused("<script>alert(1)</script>")).read_text(encoding="utf-8")
    assert "&lt;script&gt;" in html and "<script>" not in html and "<b>" not in html


def test_a_refusal_names_every_reason(study: Path) -> None:
    reasons = ["audit.verdict is 'fail'; it must be 'pass'", "utility.gap_upper = 0.2 is above the limit 0.05"]
    html = build_report(study, refused(*reasons)).read_text(encoding="utf-8")
    text = Elements(html).text
    assert "Refused: nothing was released" in text and "Released:" not in text
    assert all(reason in text for reason in reasons)
    assert "The audit did not pass: audit.verdict" in text
    assert 'class="banner bad"' in html


def test_reasons_beat_the_word_released(study: Path) -> None:
    outcome = replace(SUMMARY.outcome, reasons=("synthesis/x.png objected",))
    html = build_report(study, replace(SUMMARY, outcome=outcome)).read_text(encoding="utf-8")
    assert 'class="banner bad"' in html and "x.png" not in html


def test_the_report_is_written_whatever_is_missing(study: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    html = build_report(empty, EMPTY).read_text(encoding="utf-8")
    assert "Not released: the study has not come to its end" in html
    assert html.count("This stage has not run") == 10 and "No image was selected" in html
    private = build_private(empty).read_text(encoding="utf-8")
    assert "must not leave the building" in private.lower()
    # broken files are like absent ones
    for path in study.rglob("*"):
        if path.is_file():
            path.write_bytes(b"broken")
    build_report(study, EMPTY)
    build_private(study)


def test_the_same_study_gives_the_same_page(study: Path) -> None:
    first = build_report(study, SUMMARY).read_bytes()
    assert build_report(study, SUMMARY).read_bytes() == first


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
        tests=(),
    )
    summary = replace(EMPTY, figures=StudyFigures(audit=unplayed))
    text = Elements(build_report(study, summary).read_text(encoding="utf-8")).text
    assert "No image was selected" in text and "inconclusive" in text and "nothing to audit" in text
    assert "not known" in text


@pytest.mark.parametrize("channels", [1, 3])
def test_sample_sheet_places_every_image(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (11, channels, 6, 5), dtype=np.uint8)
    png = sample_sheet(images, 4)
    with Image.open(io.BytesIO(png)) as picture:
        assert not picture.info and picture.size == (4 * 7 + 2, 3 * 8 + 2)
        pixels = np.asarray(picture).reshape(3 * 8 + 2, 4 * 7 + 2, channels)
    for row, image in enumerate(images):
        top, left = 2 + row // 4 * 8, 2 + row % 4 * 7
        assert np.array_equal(pixels[top : top + 6, left : left + 5], np.moveaxis(image, 0, -1))
    assert (pixels[18:, 2 + 3 * 7 :] == 255).all()
    assert base64.b64decode(data_uri(png).split(",")[1]) == png
    for wrong in (images[:0], images.astype(np.float32), images[0]):
        with pytest.raises(ValueError):
            sample_sheet(wrong)


def test_history_series_finds_every_series() -> None:
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "val": 3.0}, {"step": 3, "loss": None}]
    found = history_series({"a": rows, "b": [rows, {"x": 1}], "c": {"d": rows}, "e": "text", "f": 3})
    assert {name: list(map(list, line)) for name, line in found.items()} == {
        name: [[1.0, 2.0], [2.0, 1.0]] for name in ("a", "b 1", "c d")
    }
    assert [list(axis) for axis in history_series(rows, "x", key="val")["x"]] == [[2.0], [3.0]]
    assert history_series(json.loads("null")) == {}


def refused(*reasons: str) -> Summary:
    return replace(SUMMARY, outcome=Outcome(released=False, reasons=reasons))


def audit_sentence(**figures: Any) -> str:
    audit = {"advantage": 0.001, "policy_upper": 0.05, "weight": 2.21e-5, "confidence": 0.975, "reasons": (), **figures}
    return stage_sentences(with_figures(SUMMARY, "audit", **audit))["audit"]


@pytest.mark.parametrize(
    ("upper", "shown"), [(0.0092, "0.92 %"), (0.0104, "1.1 %"), (0.04999, "4.999 %"), (0.05, "5 %"), (0.03, "3 %")]
)
def test_a_bound_that_passed_is_claimed_in_the_words_that_are_allowed(upper: float, shown: str) -> None:
    assert audit_sentence(verdict="pass", advantage_upper=upper) == (
        "pass: no tested attacker isolated training subjects more often than control subjects by more than "
        f"{shown} (97.5 % upper bound; limit 5 %), at predicate weight <= 2.3e-05"
    )


@pytest.mark.parametrize("verdict", ["fail", "inconclusive"])
@pytest.mark.parametrize(
    ("upper", "shown"),
    [(0.001, ""), (0.05, ""), (0.0504, " (advantage: 97.5 % upper bound 5.1 %, limit 5 %)")],
)
def test_nothing_is_claimed_of_an_audit_that_did_not_pass(verdict: str, upper: float, shown: str) -> None:
    found = audit_sentence(verdict=verdict, advantage_upper=upper, reasons=("membership shows",))
    assert found == f"{verdict}: nothing can be claimed of the release{shown}; membership shows"
    assert audit_sentence(verdict=verdict, advantage=None, advantage_upper=1.0).endswith("of the release")


def test_no_upper_bound_is_rounded_down() -> None:
    gate = {"miss_rate": 0.0, "miss_rate_upper": 0.0104, "false_flag_rate": 0.1, "calibration_subjects": 287}
    summary = with_figures(with_figures(SUMMARY, "gate", **gate), "utility", gap_upper=0.0501)
    said = stage_sentences(summary)
    assert "0 % of the tested copies (95 % upper bound 1.1 %, by 287 subjects)" in said["judges"]
    assert "(loss: 95 % upper bound 0.051)" in said["utility"]


CEILING = {
    "ceiling_auroc": 0.8961,
    "ceiling_auroc_interval": (0.86, 0.92),
    "ceiling_gap": 0.0039,
    "ceiling_gap_interval": (0.001, 0.0060041),
    "ceiling_gap_upper": 0.0055004,
    "ceiling_repeat_spread": 0.0,
}


def utility_text(**figures: Any) -> str:
    """Text of the sections about utility and codec, cells parted by spaces."""
    found = with_figures(SUMMARY, "utility", **figures).figures
    html = render(Page("", "open", "", (sections.utility(found, Public()), sections.codec(found))))
    return " ".join(Elements(html.replace("</t", " </t")).text.split())


def test_what_the_codec_alone_costs_is_told_beside_the_loss() -> None:
    text = utility_text(**CEILING)
    # upper ends are rounded up
    assert "The loss is 0.01, of which the codec alone costs 0.0039 (two-sided" in text
    assert "0.001 to 0.00601; one-sided 95 % upper bound 0.00551)" in text and "reached 0.8961" in text
    assert "AUROC, trained on real images after the codec 0.8961" in text and "0.86 to 0.92" in text
    assert "no more than chance" not in text
    chance = utility_text(**{**CEILING, "ceiling_gap": 0.02, "ceiling_gap_interval": (0.0, 0.03)})
    assert "The loss is 0.01; the codec alone costs 0.02" in chance and "no more than chance" in chance


def test_a_cost_of_the_codec_that_is_not_known_is_not_told() -> None:
    assert "codec alone" not in utility_text()
    unknown = dict.fromkeys(CEILING) | {"ceiling_gap_upper": 1.0, "ceiling_note": "no class has both outcomes"}
    text = utility_text(**unknown)
    assert "What the codec alone costs is not known: no class has both outcomes." in text
    assert "the codec alone costs 0" not in text and "of which" not in text
    said = stage_sentences(with_figures(SUMMARY, "utility", **CEILING))["utility"]
    assert said.endswith("(loss: 95 % upper bound 0.020); the codec alone costs 0.004")
    for absent in (unknown, {**CEILING, "ceiling_note": "chance"}):
        assert stage_sentences(with_figures(SUMMARY, "utility", **absent))["utility"].endswith("0.020)")


def test_what_the_codec_changes_in_real_images_is_shown() -> None:
    text = utility_text()
    for expected in (
        "31.23 30.11 to 32.22",
        "0.9123 0.9012 to 0.9234",
        "after the codec 1.235",
        "comparison not known",
    ):
        assert expected in text


def report_with(study: Path, **diffusion: Any) -> str:
    html = build_report(study, with_figures(SUMMARY, "diffusion", **diffusion)).read_text(encoding="utf-8")
    return " ".join(Elements(html).text.split())


def diffusion_sentence(**diffusion: Any) -> str:
    return stage_sentences(with_figures(SUMMARY, "diffusion", **diffusion))["diffusion"]


def test_a_model_that_memorised_is_told(study: Path) -> None:
    quiet = report_with(study)
    assert "No sign was found that the model learnt" in quiet and "denoiser memorised" in quiet
    assert "The model learnt training images by heart" in report_with(study, denoiser_memorised=True)
    assert "Nobody watched" in report_with(study, denoiser_gap=None, denoiser_match_rate=None)
    assert "learnt train images" not in diffusion_sentence(denoiser_memorised=False, guide_memorised=False)
    assert "; it learnt train images by heart" in diffusion_sentence(denoiser_memorised=True)
    assert "; its guide learnt train images by heart" in diffusion_sentence(guide_memorised=True)
    assert diffusion_sentence(denoiser_ended_early="memorises").endswith("ended early, because the model memorises")


def test_a_refusal_for_memorisation_is_plain(study: Path) -> None:
    summary = with_figures(SUMMARY, "diffusion", denoiser_memorised=True)
    reasons = tuple(check(PolicyConfig(), summary.figures)[0])
    summary = replace(summary, outcome=Outcome(released=False, reasons=reasons))
    text = Elements(build_report(study, summary).read_text(encoding="utf-8")).text
    assert "learnt images of real people by heart, or was not watched: diffusion.denoiser_memorised is True" in text


@pytest.mark.parametrize("known", [False, True])
def test_a_start_from_other_weights_is_told(study: Path, known: bool) -> None:
    start = StartFigures(source="SECRETNAME.pkl", sha256="ab" * 32, share=0.934, note="n", known_people=known)
    text = report_with(study, start=start)
    assert "SECRETNAME" not in text and "ab" * 32 in text
    # in the remarks at the top, and where the model is described
    assert text.count("93.4 % of its parameters came from another model") == 2
    assert "somebody of this study the model was trained on" in text
    assert text.count("as far as is known (it started from weights of unknown people)") == (0 if known else 2)
    said = diffusion_sentence(start=start)
    assert "93 % of its weights are of a model" in said and ("unknown people" in said) == (not known)
    plain = report_with(study)
    assert "another model" not in plain and "somebody the model was trained on" in plain
    assert "unknown people" not in plain and "a model that" not in diffusion_sentence()


def test_a_summary_is_read_as_it_was_written() -> None:
    assert Summary.from_json(DEMO, where="x").to_json() == DEMO
    few = {
        "seed": 3,
        "seconds": {"cohort": 1.0},
        "cohort": DEMO["cohort"],
        "release": {"released": False, "reasons": []},
    }
    assert Summary.from_json(few, where="x").to_json() == few
    for wrong in ({**DEMO, "surplus": 1}, {**DEMO, "seed": None}, {**few, "metrics": DEMO["metrics"]}, []):
        with pytest.raises(InputError):
            Summary.from_json(wrong, where="x")


def test_plugins_are_named_in_the_report(study: Path) -> None:
    plugin = Plugin("codec", "theirs", "their-package", "1.5", "ab" * 32)
    summary = replace(SUMMARY, figures=replace(SUMMARY.figures, plugins={"encode": (plugin,)}))
    told = "Parts of other packages were used: codec theirs (their-package 1.5)"
    assert told in build_report(study, summary).read_text(encoding="utf-8")
    assert "other packages" not in build_report(study, SUMMARY).read_text(encoding="utf-8")
