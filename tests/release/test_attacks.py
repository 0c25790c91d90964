"""What a forger may do to a release whose manifest he writes anew: each is refused, told which, in its state."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.commands.conforming import conforms
from tests.release.test_claims import change_evidence, verify
from tests.release.test_verify import rewrite_manifest
from unpersonal.matching.kinds import names
from unpersonal.release.figures import StudyFigures
from unpersonal.release.line_ends import BOM
from unpersonal.release.png import png_bytes
from unpersonal.release.policy import MARGINS, PolicyConfig
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import check_release

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(make_study: Callable[..., Path], figures: StudyFigures) -> Path:
    study = make_study()
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)
    return study / "release"


def primary(evidence: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in evidence["audit"]["primary"] if row["name"] == name)


def set_at(path: str, value: Any) -> Change:
    def change(evidence: dict[str, Any]) -> None:
        *tables, key = path.split(".")
        inner = evidence
        for table in tables:
            inner = inner[table]
        inner[key] = value

    return change


def without(path: str) -> Change:
    def change(evidence: dict[str, Any]) -> None:
        *tables, key = path.split(".")
        inner = evidence
        for table in tables:
            inner = inner[table]
        del inner[key]

    return change


def both(*changes: Change) -> Change:
    return lambda evidence: [change(evidence) for change in changes]


def openly_looser(key: str, value: float) -> Change:
    return lambda e: (e["policy"].update({key: value}), e["policy"].setdefault("looser_than_default", []).append(key))


NOT_AS_CLAIMED: dict[str, tuple[Change, str]] = {
    "inconclusive": (set_at("audit.verdict", "inconclusive"), "its verdict is 'inconclusive'"),
    "no verdict": (without("audit.verdict"), "audit.verdict: missing"),
    "membership above": (lambda e: primary(e, "membership").update(upper=0.7), "audit.primary.membership = 0.7"),
    "margin widened": (lambda e: primary(e, "membership").update(margin=0.9), "audit.primary.membership.margin = 0.9"),
    "outcome": (lambda e: primary(e, "inference").update(outcome="undecided"), "primary.inference.outcome"),
    "order": (lambda e: primary(e, "membership").update(value=0.54, upper=0.51), "above its upper bound"),
    "isolated understated": (lambda e: primary(e, "isolated people").update(upper=0.04), "advantage_upper"),
    "one row less": (lambda e: e["audit"]["primary"].pop(0), "audit.primary."),
    "confidence": (set_at("audit.confidence", 0.9), "audit.confidence is 0.9"),
    "error of bounds": (set_at("audit.attempts.alpha", 0.2), "audit.attempts.alpha is 0.2"),
    "placebo": (set_at("audit.placebo.difference", True), "audit.placebo.difference"),
    "copied": (set_at("audit.copied", {"found": True}), "audit.copied.found"),
    "kind not planted": (lambda e: e["audit"]["detectable"]["kinds"].pop(0), "audit.detectable.kinds lacks exact"),
    "leak too large": (lambda e: e["audit"]["detectable"]["kinds"][0].update(persons=900), "900 people"),
    "no labels inferred": (set_at("audit.inference", []), "audit.inference"),
    "kind not tried": (without("gate.kinds.mirror"), "gate.kinds: mirror not tried"),
    "kind untried": (set_at("gate.untried", ["mirror"]), "gate.kinds: mirror not tried"),
    "kind blind": (set_at("gate.kinds.mirror.recall_lower", 0.5), "gate.blind"),
    "kind withheld": (set_at("gate.kinds.mirror.recall_lower", "withheld"), "gate.blind"),
    "kind no longer promised": (set_at("gate.kinds.mirror.promised", False), "gate.kinds.mirror.promised"),
    "misses": (set_at("gate.protected.miss_rate_upper", 0.5), "gate.protected.miss_rate_upper"),
    "miss rate": (set_at("gate.miss_rate", 0.5), "gate.miss_rate = 0.5"),
    "negative": (set_at("gate.miss_rate_upper", -0.1), "gate.miss_rate_upper"),
    "text": (set_at("gate.miss_rate_upper", "0.001"), "gate.miss_rate_upper"),
    "null": (set_at("utility.gap_upper", None), "utility.gap_upper"),
    "truth": (set_at("utility.gap_upper", True), "utility.gap_upper"),
    "masked": (set_at("utility.gap_upper", "withheld"), "utility.gap_upper"),
    "released": (set_at("audit.released", 50), "audit.released: 50 images"),
    "released masked": (set_at("synthesis.released", "<5"), "synthesis.released"),
    "mirrored": (
        both(set_at("diffusion.horizontal_flip", None), set_at("gate.blind", ["mirror"])),
        "diffusion.horizontal_flip",
    ),
    "profile unknown": (both(set_at("audit.profile", "lax"), set_at("policy.profile", "lax")), "newer version"),
    "profile internal": (
        both(set_at("audit.profile", "internal"), set_at("policy.profile", "internal")),
        "allows no release",
    ),
    "limit text": (set_at("policy.gate_miss_upper", "1"), "policy.gate_miss_upper"),
    "limit absent": (without("policy.utility_gap_upper"), "policy.utility_gap_upper"),
    "kind invented": (set_at("policy.may_be_blind", ["everything"]), "limits that no policy has (may_be_blind)"),
    "limit loosened": (openly_looser("gate_miss_upper", 0.5), "gate_miss_upper = 0.5 is looser than 0.01"),
    "blindness": (
        both(
            set_at("policy.may_be_blind", list(names())),
            lambda e: e["policy"].update(looser_than_default=["may_be_blind"]),
        ),
        "overlook more than the published profile open",
    ),
    "unknown field": (set_at("gate.note", "all is well"), "gate.note: an unknown field"),
    "unknown version": (set_at("format_version", "7"), "format_version '7' is not known here"),
    "no gate": (without("gate"), "gate: missing"),
    **{
        f"{key} loosened": (openly_looser(key, 1.0), f"policy.{key} = 1 is looser than")
        for key in (*MARGINS, "utility_gap_upper", "gate_false_flag", "match_rate_lower")
    },
}


@pytest.mark.parametrize(("change", "words"), NOT_AS_CLAIMED.values(), ids=NOT_AS_CLAIMED)
def test_evidence_that_does_not_meet_the_profile(folder: Path, change: Change, words: str) -> None:
    change_evidence(folder, change)
    found = check_release(folder)
    assert found.state == "not-as-claimed", found.problems
    assert any(problem.startswith("evidence.json: ") and words in problem for problem in found.problems), found.problems
    done = verify(folder)
    assert done.exit_code == 3 and words in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"verdict": "pass"', '"verdict": "fail", "verdict": "pass"', "'verdict' stands twice"),
        ('"miss_rate_upper": 0.009', '"miss_rate_upper": NaN', "NaN is no number"),
        ('"format_version": "1"', '"format_version": "1",,', "not JSON"),
    ],
)
def test_evidence_that_two_readers_read_differently(folder: Path, old: str, new: str, words: str) -> None:
    text = (folder / "evidence.json").read_text(encoding="utf-8")
    assert old in text
    (folder / "evidence.json").write_text(text.replace(old, new), encoding="utf-8")
    rewrite_manifest(folder)
    found = check_release(folder)
    assert found.state == "broken" and any(words in problem for problem in found.problems)
    assert verify(folder).exit_code == 2


@pytest.mark.parametrize("name", ["labels.csv", "metadata.csv"])
def test_a_label_that_was_altered_in_one_table(folder: Path, name: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    altered = text.replace("virus", "normal", 1)
    assert altered != text
    path.write_text(altered, encoding="utf-8")
    done = verify(folder)
    assert done.exit_code == 2 and f"{name}: changed (it does not match the manifest)" in done.stderr
    rewrite_manifest(folder)
    found = check_release(folder)
    assert found.state == "broken" and any(problem.startswith("metadata.csv: ") for problem in found.problems)


def relabelled(folder: Path, old: str, new: str, times: int = 1) -> None:
    """So many labels of both tables are altered, and the manifest is written anew."""
    for name in ("labels.csv", "metadata.csv"):
        head, rest = (folder / name).read_text(encoding="utf-8").split("\n", 1)
        (folder / name).write_text(f"{head}\n{rest.replace(old, new, times)}", encoding="utf-8")
    rewrite_manifest(folder)


def test_labels_that_were_altered_in_both_tables_with_a_rewritten_manifest(folder: Path) -> None:
    """The evidence tells how many images of each label set there are, as far as it may."""
    assert check_release(folder).state == "intact"
    told = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))["synthesis"]["label_sets"]
    assert sorted(row["released"] for row in told) == [6, 6]
    relabelled(folder, "virus", "normal")
    found = check_release(folder)
    assert found.state == "broken" and verify(folder).exit_code == 2
    for words in ("7 images have the labels 'normal', by evidence.json 6", "5 images have the labels 'virus'"):
        assert any(words in problem for problem in found.problems), found.problems


@pytest.mark.parametrize(
    ("new", "words"),
    [("sarcoma", "'sarcoma': no label of the cohort"), ("normal|virus", "'normal|virus': no image of these labels")],
)
def test_labels_that_nobody_planned(folder: Path, new: str, words: str) -> None:
    relabelled(folder, "virus", new)
    found = check_release(folder)
    assert found.state == "broken" and any(words in problem for problem in found.problems), found.problems


def test_a_masked_count_is_below_five_and_evidence_without_counts_has_what_was_planned(folder: Path) -> None:
    def told(planned: object, released: object) -> Callable[[dict[str, Any]], None]:
        def change(evidence: dict[str, Any]) -> None:
            for row in evidence["synthesis"]["label_sets"]:
                row.update(planned=planned, released=released)
                if released is None:
                    del row["released"]

        return change

    change_evidence(folder, told(20, "<5"))
    found = check_release(folder)
    assert any("6 images have the labels 'virus', by evidence.json <5" in problem for problem in found.problems)
    change_evidence(folder, told(5, None))
    assert any("and 5 were planned" in problem for problem in check_release(folder).problems)
    change_evidence(folder, told("withheld", None))
    assert check_release(folder).state == "intact"


def added(folder: Path, size: int, *, marked: bool) -> None:
    """A real picture is put in, with lines in both tables, and the manifest is written anew."""
    name = f"img-{len(list((folder / 'images').iterdir())) + 1:06d}.png"
    real = np.random.default_rng(0).integers(0, 255, (1, size, size), dtype=np.uint8)
    (folder / "images" / name).write_bytes(png_bytes(real, marked=marked))
    with open(folder / "labels.csv", "a", encoding="utf-8") as stream:
        stream.write(f"{name},normal\n")
    with open(folder / "metadata.csv", "a", encoding="utf-8") as stream:
        stream.write(f"images/{name},normal\n")
    rewrite_manifest(folder)


def test_a_real_picture_that_was_added_with_a_rewritten_manifest(folder: Path) -> None:
    """Without a signature the counts give it away, its shape, and the mark that it lacks."""
    with Image.open(next((folder / "images").iterdir())) as picture:
        size = picture.width
    added(folder, size + 8, marked=False)
    found = check_release(folder)
    said = " ".join(found.problems)
    assert found.state == "not-as-claimed" and verify(folder).exit_code == 3
    for words in (
        "evidence.json: synthesis.released: 12 images were released, and the manifest lists 13",
        "README.md: it tells of 12 images, and the manifest lists 13",
        "croissant.json: description: it tells of 12 images",
        f"img-000013.png: its shape is [1, {size + 8}, {size + 8}]",
        "img-000013.png: ",
    ):
        assert words in said, said
    change_evidence(folder, lambda e: (e["synthesis"].update(released=13), e["audit"].update(released=13)))
    change_evidence(folder, lambda e: e["audit"].get("copied", {}).update(released=13))
    assert check_release(folder).state == "broken"


def test_a_manifest_that_names_an_older_version(folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.update(format_version="1"))
    found = check_release(folder)
    assert found.state == "broken" and any("metadata.csv" in problem for problem in found.problems)
    rewrite_manifest(folder, lambda manifest: manifest.update(format_version="3"))
    done = verify(folder)
    assert done.exit_code == 2 and "'3'" in done.stderr and "newer version" in done.stderr


@pytest.mark.parametrize("name", ["labels.csv", "metadata.csv", "evidence.json", "README.md", "croissant.json"])
def test_line_ends_that_git_changed_are_told_as_such(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    found = check_release(folder)
    assert found.state == "altered" and found.refused == 1
    assert f"{name}: changed in its line ends alone: its line ends are CRLF" in " ".join(found.altered)


def test_so_are_those_of_the_manifest_and_keys_that_stand_twice_there(folder: Path) -> None:
    path = folder / "manifest.json"
    whole = path.read_bytes()
    path.write_bytes(BOM + whole)
    found = check_release(folder)
    assert found.state == "altered" and "manifest.json: changed in its line ends alone" in found.altered[0]
    path.write_bytes(whole.replace(b'"images": 12', b'"images": 12, "images": 12'))
    done = verify(folder)
    assert done.exit_code == 2 and "'images' stands twice" in done.stderr


def test_a_zip_in_a_zip_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outer").mkdir()
    shutil.make_archive(str(tmp_path / "outer" / "release"), "zip", folder)
    done = verify(Path(shutil.make_archive(str(tmp_path / "sent"), "zip", tmp_path / "outer")))
    assert done.exit_code == 2 and "name the zip that lies in it (release.zip)" in done.stderr


def test_a_study_with_looser_limits_gets_a_release_that_does_not_meet_its_profile(
    make_study: Callable[..., Path], figures: StudyFigures
) -> None:
    study = make_study()
    run_stage(study, policy=PolicyConfig(gate_miss_upper=0.5), seed=5, figures=figures)
    found = check_release(study / "release")
    assert found.state == "not-as-claimed" and not found.faults and len(found.below) == 1
    done = verify(study / "release", "--json")
    assert done.exit_code == 3 and conforms("verify", done.stdout, code=3)["claims"] == list(found.below)
