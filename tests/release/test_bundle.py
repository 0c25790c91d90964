"""The release folder: what it holds, what it never holds, and the second lock before it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unpersonal.core.errors import InputError, PolicyRefused
from unpersonal.core.registry import Plugin
from unpersonal.diffusion.figures import StartFigures
from unpersonal.release.bundle import release_order, shuffle_key, write_release
from unpersonal.release.card import audit_statement, bound
from unpersonal.release.evidence import evidence_problems
from unpersonal.release.figures import ReleaseFigures, StudyFigures
from unpersonal.release.lock import pixel_hash, read_ledger
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import verify_release
from unpersonal.synthesis.selected import load_selected

Make = Callable[..., Path]
Alter = Callable[..., StudyFigures]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def release(study: Path, figures: StudyFigures, seed: int = 5) -> ReleaseFigures:
    return run_stage(study, policy=PolicyConfig(), seed=seed, figures=figures)


def edit_ledger(study: Path, change: Callable[[Any], None]) -> None:
    ledger = read_ledger(study)
    change(ledger)
    ledger.to_parquet(study / "candidates" / "ledger.parquet", index=False)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_release_holds_the_selected_images_with_their_labels(
    make_study: Make, figures: StudyFigures, channels: int
) -> None:
    study = make_study(channels=channels)
    result = release(study, figures)
    folder, selected = study / "release", load_selected(study)
    assert result.images == 12 and verify_release(folder) == []
    with open(folder / "labels.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    pairs = zip(selected.images, selected.labels, strict=True)
    expected = {pixel_hash(image): "|".join(names) for image, names in pairs}
    found = {}
    for row in rows:
        with Image.open(folder / "images" / row["file"]) as picture:
            assert picture.mode == ("L" if channels == 1 else "RGB")
            assert (
                set(picture.info) == {"xmp", "XML:com.adobe.xmp"} and b"trainedAlgorithmicMedia" in picture.info["xmp"]
            )
            pixels = np.asarray(picture)
        found[pixel_hash(pixels[None] if channels == 1 else np.moveaxis(pixels, -1, 0))] = row["label"]
    assert found == expected
    assert sorted(contents(folder)) == sorted(
        [f"images/{row['file']}" for row in rows]
        + ["README.md", "croissant.json", "evidence.json", "labels.csv", "manifest.json", "metadata.csv"]
    )


def test_the_manifest_is_right(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()
    release(study, figures)
    files = contents(study / "release")
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["images"] == 12 and manifest["shape"] == [1, 32, 32]
    assert manifest["files"] == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
    }


def test_the_same_study_gives_the_same_bytes_and_another_seed_another_order(
    make_study: Make, figures: StudyFigures
) -> None:
    first, second, third = make_study("a"), make_study("b"), make_study("c")
    release(first, figures)
    release(second, figures)
    before = contents(first / "release")
    assert before == contents(second / "release")
    os.utime(first / "candidates" / "ledger.parquet", (1, 1))
    release(first, figures)
    assert contents(first / "release") == before
    release(third, figures, seed=6)
    assert contents(third / "release")["labels.csv"] != before["labels.csv"] or (
        contents(third / "release")["images/img-000001.png"] != before["images/img-000001.png"]
    )


def test_the_order_depends_on_what_stays_in_the_building(make_study: Make) -> None:
    study = make_study()
    images, ledger = load_selected(study).images, read_ledger(study)
    order = release_order(images, shuffle_key(study, ledger, 0))
    assert sorted(order) == list(range(len(images))) and not np.array_equal(order, np.arange(len(images)))
    other = ledger.copy()
    other.loc[~other["selected"], "sha256"] = "0" * 64
    # the same seed and the same released images, but other refused candidates: another order
    assert not np.array_equal(order, release_order(images, shuffle_key(study, other, 0)))
    # the order of the rows handed over leaves no trace
    turned = release_order(images[::-1], shuffle_key(study, ledger, 0))
    assert np.array_equal(images[::-1][turned], images[order])


def test_nothing_in_a_release_names_a_person_a_seed_or_an_input(
    make_study: Make, figures: StudyFigures, alter: Alter
) -> None:
    study = make_study()
    names = ("SUBJECTMARKER_003 looks strange", "seen in data/SUBJECTMARKER_005")
    figures = alter(figures, "audit", notes=("see store/images/SUBJECTMARKER.png",), reasons=names)
    assert figures.gate is not None
    figures = alter(figures, "gate", false_flag_rate_of={"SUBJECTMARKER_004": 0.0}, statement="of SUBJECTMARKER_003")
    release(study, figures, seed=987654321)
    for name, data in contents(study / "release").items():
        for needle in (b"SUBJECTMARKER", b"img000", str(study).encode(), b"987654321"):
            assert needle not in data, (name, needle)
    evidence = json.loads((study / "release" / "evidence.json").read_text(encoding="utf-8"))
    assert evidence_problems(evidence) == []
    assert evidence["cohort"]["quarantined"] == "<5"
    real = {hashlib.sha256(image.tobytes()).hexdigest() for image in np.load(study / "store" / "images.npy")}
    for path in (study / "release" / "images").iterdir():
        with Image.open(path) as picture:
            assert hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() not in real


def test_the_card_makes_no_bare_claim(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()
    release(study, figures)
    card = " ".join((study / "release" / "README.md").read_text(encoding="utf-8").split())
    assert (
        "No tested attacker who holds the release isolated more than 0.03 of the training subjects at least once "
        "(95 % upper bound), at predicate weight ≤ 2.2e-05." in card
    )
    assert "What this does not prove" in card and "is PSO-secure" not in card


def put(column: str, value: Any) -> Callable[[Any], None]:
    def change(ledger: Any) -> None:
        ledger.loc[ledger.index[ledger["selected"]][3], column] = value

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        put("flagged", True),
        put("score", 0.5),
        put("score", 0.7),
        put("score", float("nan")),
        put("selected", False),
        put("sha256", "0" * 64),
        put("draw", 0),
    ],
    ids=["flagged", "at the threshold", "above it", "no score", "not selected", "other pixels", "draw twice"],
)
def test_the_second_lock_refuses(make_study: Make, figures: StudyFigures, change: Callable[[Any], None]) -> None:
    study = make_study()
    release(study, figures)
    edit_ledger(study, change)
    with pytest.raises(PolicyRefused):
        release(study, figures)
    assert not (study / "release").exists()


def test_a_changed_pixel_is_refused(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()
    selected = load_selected(study)
    images = selected.images.copy()
    images[0, 0, 0, 0] ^= 1
    with pytest.raises(PolicyRefused, match="not those of the ledger"):
        write_release(study, replace(selected, images=images), figures, PolicyConfig(), [], seed=1)
    assert not (study / "release").exists()


def test_pixels_that_were_flagged_elsewhere_are_refused(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()

    def change(ledger: Any) -> None:
        ledger.loc[ledger.index[ledger["flagged"]][0], "sha256"] = ledger.loc[ledger["selected"], "sha256"].iloc[0]

    edit_ledger(study, change)
    with pytest.raises(PolicyRefused, match="pixels of a candidate that the gate flagged"):
        release(study, figures)


@pytest.mark.parametrize("threshold", [None, float("nan"), float("inf"), "0.5"])
def test_without_a_threshold_nothing_is_released(
    make_study: Make, figures: StudyFigures, alter: Alter, threshold: Any
) -> None:
    study = make_study()
    with pytest.raises(PolicyRefused, match="threshold"):
        release(study, alter(figures, "gate", threshold=threshold))
    assert not (study / "release").exists()


def test_no_ledger_no_release(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()
    release(study, figures)
    (study / "candidates" / "ledger.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError):
        release(study, figures)
    (study / "candidates" / "ledger.parquet").unlink()
    with pytest.raises(InputError):
        release(study, figures)
    assert not (study / "release").exists()


def test_a_refusal_removes_an_older_release_and_every_leftover(
    make_study: Make, figures: StudyFigures, alter: Alter
) -> None:
    study = make_study()
    release(study, figures)
    (study / ".release.99.tmp").mkdir()
    (study / ".release.99.tmp" / "x.png").write_bytes(b"x")
    with pytest.raises(PolicyRefused) as refusal:
        release(study, alter(figures, "utility", gap_upper=0.2))
    assert refusal.value.reasons == ["utility.gap_upper = 0.2 is above the limit 0.05"]
    assert not [path for path in study.iterdir() if "release" in path.name]


def test_a_link_in_the_place_of_the_release_is_removed_and_not_followed(
    make_study: Make, figures: StudyFigures, tmp_path: Path
) -> None:
    study, elsewhere = make_study(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep.txt").write_text("keep", encoding="utf-8")
    (study / "release").symlink_to(elsewhere, target_is_directory=True)
    release(study, figures)
    assert not (study / "release").is_symlink() and verify_release(study / "release") == []
    assert [path.name for path in elsewhere.iterdir()] == ["keep.txt"]


@pytest.mark.parametrize("name", ["mirror-finder", None])
def test_a_selected_candidate_that_a_matcher_is_named_for_refuses(
    make_study: Make, figures: StudyFigures, name: str | None
) -> None:
    study = make_study()

    def change(ledger: Any) -> None:
        ledger.loc[ledger.index[ledger["selected"]][0], "by"] = name

    edit_ledger(study, change)
    with pytest.raises(PolicyRefused, match="1 selected candidates name a matcher that flagged them"):
        release(study, figures)
    edit_ledger(study, lambda ledger: ledger.drop(columns="by", inplace=True))
    with pytest.raises(InputError, match="lacks the columns by"):
        release(study, figures)


def test_a_label_with_a_separator_is_an_input_error(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()
    labels = json.loads((study / "candidates" / "selected_labels.json").read_text(encoding="utf-8"))
    labels[0] = ["a|b"]
    (study / "candidates" / "selected_labels.json").write_text(json.dumps(labels), encoding="utf-8")
    with pytest.raises(InputError):
        release(study, figures)
    assert not (study / "release").exists()


def test_shortfalls_are_returned_and_told(make_study: Make, figures: StudyFigures, alter: Alter) -> None:
    study = make_study()
    result = release(study, alter(figures, "gate", false_flag_rate=0.33))
    assert len(result.shortfalls) == 1 and "0.33" in result.shortfalls[0]
    assert json.loads((study / "release" / "evidence.json").read_text(encoding="utf-8"))["shortfalls"]


def test_bounds_are_rounded_up() -> None:
    assert [bound(value) for value in (0.05, 0.0301, 0.03001, 2.2e-5, 2.2001e-5, -0.01, -0.010012, None)] == [
        *("0.05", "0.0301", "0.0301", "2.2e-05", "2.21e-05", "-0.01", "-0.01", "not known")
    ]


@pytest.mark.parametrize(("sources", "told"), [(12, "withheld"), (16, "withheld"), (17, 17)])
def test_a_small_number_of_sources_without_image_cannot_be_computed(
    make_study: Make, figures: StudyFigures, alter: Alter, sources: int, told: Any
) -> None:
    study = make_study()
    release(study, alter(figures, "synthesis", sources=sources, draws=sources, draws_without_image=sources - 12))
    evidence = json.loads((study / "release" / "evidence.json").read_text(encoding="utf-8"))
    assert evidence["synthesis"]["sources"] == told and evidence["synthesis"]["draws"] == told


NOTE = "What it remembers may come out."
START = StartFigures(source="SECRETNAME.pkl", sha256="ab" * 32, share=0.934, note=NOTE, known_people=False)


def told(study: Path) -> tuple[dict[str, Any], str]:
    """Evidence and card of a release, the latter in one line."""
    folder = study / "release"
    card = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    return json.loads((folder / "evidence.json").read_text(encoding="utf-8")), card


@pytest.mark.parametrize("known", [False, True])
def test_a_start_from_other_weights_is_told_and_the_card_claims_no_more_than_is_so(
    make_study: Make, figures: StudyFigures, alter: Alter, known: bool
) -> None:
    study = make_study()
    result = release(study, alter(figures, "diffusion", start=replace(START, known_people=known)))
    evidence, card = told(study)
    assert verify_release(study / "release") == []
    expected = {"sha256": "ab" * 32, "share": 0.934, "note": NOTE, "known_people": known}
    assert evidence["diffusion"]["start"] == expected
    assert "compares it with every image of every person of the study." in card
    assert "93.4 % of its parameters came from another model" in card and "ab" * 32 in card
    assert "Neither the gate nor the audit compared with" in card
    unknown = "It is not known whose images that model was trained on" in card
    assert unknown == ("took no part in the training, as far as is known" in card) == (not known)
    assert len(evidence["shortfalls"]) == len(result.shortfalls) == (0 if known else 1)
    assert not any(b"SECRETNAME" in data for data in contents(study / "release").values())


def test_a_start_from_invented_people_is_told_and_no_shortfall(
    make_study: Make, figures: StudyFigures, alter: Alter
) -> None:
    study = make_study()
    start = replace(START, source="phantom", known_people=True, invented="chest", invented_images=60_000)
    result = release(study, alter(figures, "diffusion", start=start))
    evidence, card = told(study)
    assert verify_release(study / "release") == [] and len(result.shortfalls) == 0
    assert "The model began with 60,000 images of invented people (phantom: chest), which show nobody" in card
    assert evidence["diffusion"]["start"]["invented"] == "chest" and "another model" not in card


def test_the_card_tells_the_confidence_of_the_audit(figures: StudyFigures, alter: Alter) -> None:
    found = alter(figures, "audit", advantage_upper=0.0087965, confidence=0.975)
    assert "more than 0.0088 of the training subjects at least once (97.5 %" in audit_statement(found.audit)
    assert "(95 % upper bound)" in audit_statement(figures.audit) and "not known" in audit_statement(None)


def test_the_card_says_what_few_samples_cannot_exclude(make_study: Make, figures: StudyFigures, alter: Alter) -> None:
    study = make_study()
    release(study, alter(figures, "diffusion", denoiser_match_rate=0.0, denoiser_match_rate_upper=0.04571))
    assert "| none found; share of samples like train images, 95 % upper bound 0.0458 |" in told(study)[1]


def test_without_a_start_the_card_speaks_of_none(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()
    release(study, figures)
    evidence, card = told(study)
    assert "with every image of every person of the study." in card and "another model" not in card
    assert "took no part in the training." in card
    assert "| signs that the model memorised training images | none found |" in card
    assert evidence["diffusion"] == {
        "denoiser_memorised": False,
        "denoiser_ended_early": None,
        "denoiser_gap": 0.01,
        "denoiser_match_power": 0.85,
        "guide_memorised": False,
        "guide_ended_early": None,
        "horizontal_flip": False,
    }
    assert not {"encode", "features"} & set(evidence) and "trained elsewhere" not in card


def test_a_card_does_not_say_that_nothing_was_found_where_nobody_looked(
    make_study: Make, figures: StudyFigures, alter: Alter
) -> None:
    study = make_study()
    unwatched = alter(figures, "diffusion", denoiser_match_power=None)
    with pytest.raises(PolicyRefused, match="denoiser_match_power"):
        release(study, unwatched)
    run_stage(study, policy=PolicyConfig(match_power=0), seed=5, figures=unwatched)
    assert "memorised training images | not known |" in told(study)[1]


def test_nothing_is_released_from_a_model_that_memorised(make_study: Make, figures: StudyFigures, alter: Alter) -> None:
    study = make_study()
    release(study, figures)
    with pytest.raises(PolicyRefused, match="learnt train images by heart"):
        release(study, alter(figures, "diffusion", denoiser_memorised=True))
    assert not (study / "release").exists()


def test_plugins_are_told_with_their_hash_and_the_card_names_them(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()
    codec = Plugin("codec", "theirs", "their-package", "1.5", "ab" * 32)
    network = Plugin("network", "deep", "other-package", "0.3", "cd" * 32)
    used = replace(figures, plugins={"encode": (codec,), "judges": (network,), "utility": (network,)})
    with pytest.raises(PolicyRefused, match="network 'deep' of other-package"):
        release(study, used)
    run_stage(study, policy=PolicyConfig(plugins=("deep",)), seed=5, figures=used)
    evidence, card = told(study)
    assert evidence["plugins"] == [codec.to_json(), network.to_json()] and evidence["policy"]["plugins"] == ["deep"]
    assert "codec theirs (their-package 1.5), network deep (other-package 0.3)" in card
    assert verify_release(study / "release") == []


def test_without_plugins_nothing_is_said_of_them(make_study: Make, figures: StudyFigures) -> None:
    study = make_study()
    release(study, figures)
    evidence, card = told(study)
    assert "plugins" not in evidence and "plugins" not in evidence["policy"] and "other packages" not in card
