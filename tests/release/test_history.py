"""Releases of a cohort are counted: the same images once, whatever was killed; others one by one, up to a limit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from tests.release.keys import write_key
from tests.studies import write_candidates
from unpersonal.cohort.table import load_cohort
from unpersonal.core.chained import GENESIS, Chained
from unpersonal.core.errors import InputError, PolicyRefused
from unpersonal.core.hashing import sha256_file
from unpersonal.release import bundle
from unpersonal.release.config import ReleaseConfig
from unpersonal.release.evidence_schema import schema
from unpersonal.release.figures import ReleaseFigures, StudyFigures
from unpersonal.release.history import PUBLISHED, History, content_hash
from unpersonal.release.place import place_problems
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.signature import Trust
from unpersonal.release.signing import Signer
from unpersonal.release.stage import known_releases, run_stage
from unpersonal.release.verify import check_release
from unpersonal.release.withdrawal import read_notice, write_notice
from unpersonal.release.withdrawing import published_by, withdraw_study


@pytest.fixture
def publish(figures: StudyFigures) -> Callable[..., ReleaseFigures]:
    """Run the release stage of a study, with `images` drawn by another seed where one is given."""

    def run(study: Path, images: int | None = None, most: int = 5, **told: Any) -> ReleaseFigures:
        if images is not None:
            drawn = np.random.default_rng(images).integers(60, 200, (40, 1, 32, 32), dtype=np.uint8)
            write_candidates(study, drawn, load_cohort(study), released=12)
        policy = PolicyConfig(max_releases=most)
        return run_stage(study, policy=policy, seed=5, figures=figures, told=ReleaseConfig(**told))

    return run


def manifest(study: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((study / "release/manifest.json").read_text(encoding="utf-8"))
    return found


def lines(study: Path) -> list[dict[str, Any]]:
    entries = Chained(study / PUBLISHED, "releases").read().entries
    return [entry for entry in entries if entry["event"] != "mended"]


def test_each_release_knows_the_one_before(
    make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures]
) -> None:
    study = make_study()
    first = publish(study)
    assert manifest(study)["history"] == {"releases": "1"} and not first.shortfalls
    card = (study / "release/README.md").read_text(encoding="utf-8")
    assert "does not compose" not in card
    before = sha256_file(study / "release/manifest.json")

    second = publish(study, images=1)
    assert manifest(study)["history"] == {"releases": "2", "predecessor": before}
    assert second.place is not None and second.place.number == 2
    evidence = json.loads((study / "release/evidence.json").read_text(encoding="utf-8"))
    assert evidence["history"] == manifest(study)["history"]
    assert any("release 2 of this cohort" in text for text in second.shortfalls)
    assert second.shortfalls == tuple(evidence["shortfalls"])
    card = " ".join((study / "release/README.md").read_text(encoding="utf-8").split())
    assert "This is release 2 of this cohort. Security against singling out does not compose" in card
    assert check_release(study / "release").state == "intact"
    assert [line["event"] for line in lines(study)] == ["released", "released"]
    assert lines(study)[0]["previous"] == GENESIS and lines(study)[1]["previous"] == lines(study)[0]["hash"]


@pytest.mark.parametrize("before", ["Jane Doe", "A" * 64, "0" * 63, "0" * 64 + "\n", 7, None])
def test_a_predecessor_is_a_hash(before: object) -> None:
    told = {"releases": "2", "predecessor": before}
    assert place_problems(told, {"history": told})
    whole = {"releases": "2", "predecessor": "0" * 64}
    assert not place_problems(whole, {"history": whole})
    field = schema("1")["$defs"]["Place"]["properties"]["predecessor"]
    # a last line break and null are for the code alone
    assert Draft202012Validator(field).is_valid(before) == (before in (None, "0" * 64 + "\n"))


def test_the_same_images_are_the_same_release(
    make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures]
) -> None:
    study = make_study()
    publish(study)
    data = (study / "release/manifest.json").read_bytes()
    publish(study)
    assert (study / "release/manifest.json").read_bytes() == data and len(lines(study)) == 1
    # another card is no other release, and is noted: its manifest is another one
    publish(study, title="Another title")
    assert manifest(study)["history"] == {"releases": "1"} and len(lines(study)) == 2
    publish(study, images=1)
    publish(study, images=7)  # the candidates of `make_study`, again
    assert manifest(study)["history"]["releases"] == "1"


def test_a_killed_run_counts_once(
    make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()

    note = History.publish

    def killed(*words: Any) -> None:
        note(*words)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bundle.History, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(study)
    assert not (study / "release").exists() and len(lines(study)) == 1
    with open(study / PUBLISHED, "ab") as stream:
        stream.write(b'{"event": "rele')  # what a killed process left of a line
    again = publish(study)
    assert again.place is not None and again.place.number == 1 and len(lines(study)) == 1
    publish(study, images=1)
    assert [line["event"] for line in lines(study)] == ["released", "released"]


def test_a_limit_of_releases(make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures]) -> None:
    study = make_study()
    publish(study, most=2)
    publish(study, images=1, most=2)
    with pytest.raises(PolicyRefused, match="would be release 3 of this cohort") as refused:
        publish(study, images=2, most=2)
    assert "policy.max_releases is 2: bounds hold for each release alone" in refused.value.reasons[0]
    assert not (study / "release").exists() and len(lines(study)) == 2
    wide = publish(study, images=2, most=6)
    assert any("policy.max_releases = 6 is looser than the default 5" in text for text in wide.shortfalls)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"released"', '"withdrawn"', 1),
        lambda text: "\n".join(text.splitlines()[1:]) + "\n",
        lambda text: "no line\n" + text,
        lambda text: "\n".join(reversed(text.splitlines())) + "\n",
        lambda text: text.replace('"predecessor": "', '"predecessor": "0', 1),
    ],
)
def test_a_broken_ledger_refuses(
    make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures], change: Callable[[str], str]
) -> None:
    study = make_study()
    publish(study)
    publish(study, images=1)
    text = (study / PUBLISHED).read_text(encoding="utf-8")
    (study / PUBLISHED).write_text(change(text), encoding="utf-8")
    with pytest.raises(PolicyRefused, match=r"restore published\.jsonl"):
        publish(study, images=2)
    with pytest.raises(InputError, match="The ledger of releases"):
        History(study).check(0)
    assert not (study / "release").exists()


def test_a_missing_ledger_is_noticed(make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures]) -> None:
    study = make_study()
    publish(study)
    figures = publish(study, images=1)
    assert known_releases(study, figures) == known_releases(study, None) == 2
    History(study).check(2)
    (study / PUBLISHED).unlink()
    with pytest.raises(InputError, match="The ledger of releases is missing"):
        History(study).check(0)
    with pytest.raises(PolicyRefused, match="The ledger of releases is missing"):
        publish(study, images=2)
    (study / "published.head.json").unlink()
    with pytest.raises(InputError, match="has 0 where the study tells of 2") as error:
        History(study).check(known_releases(study, figures))
    assert "backup" in error.value.how
    assert known_releases(make_study("b"), None) == 0


def test_what_was_withdrawn_is_not_published_again(
    make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures]
) -> None:
    study = make_study()
    publish(study)
    notice = withdraw_study(study, "a wrong label", None)
    assert notice.manifest_sha256 == sha256_file(study / "release/manifest.json")
    assert check_release(study / "release").state == "withdrawn"
    assert [line["event"] for line in lines(study)] == ["released", "withdrawn"]
    for told in ({}, {"title": "Under another title"}):
        with pytest.raises(PolicyRefused, match="released and withdrawn: a wrong label"):
            publish(study, **told)
        assert not (study / "release").exists()
    again = publish(study, images=1)
    assert again.place is not None and again.place.number == 2
    assert check_release(study / "release").state == "intact"
    withdraw_study(study, "another reason", None)
    assert check_release(study / "release").state == "withdrawn"
    assert {path.name for path in study.glob("WITHDRAWN*")} == {
        "WITHDRAWN.json",
        f"WITHDRAWN-{sha256_file(study / 'release/manifest.json')[:12]}.json",
    }


def test_a_study_without_a_release_has_nothing_to_withdraw(
    make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures]
) -> None:
    study = make_study()
    with pytest.raises(InputError, match="has published nothing"):
        withdraw_study(study, "why", None)
    publish(study)
    path = study / "release/manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(InputError, match="not one that this study published"):
        withdraw_study(study, "why", None)


def test_content_is_images_and_labels_and_not_their_order() -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 1, 8, 8), dtype=np.uint8)
    labels = [["a"], ["b", "c"], []]
    found = content_hash(images, labels, None)
    assert found == content_hash(images[::-1], [[], ["c", "b"], ["a"]], None)
    assert found != content_hash(images, [["b"], ["b", "c"], []], None)
    assert found != content_hash(images[:2], labels[:2], None)
    assert found != content_hash(255 - images, labels, None)


def test_a_release_that_cannot_be_noted_is_not_published(
    make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()

    def fails(*_: object) -> None:
        raise OSError(5, "no")

    monkeypatch.setattr(bundle.History, "publish", fails)
    with pytest.raises(OSError, match="no"):
        publish(study)
    assert not (study / "release").exists()


def test_a_notice_of_a_study_withdraws_every_manifest_of_the_same_images(
    make_study: Callable[..., Path], publish: Callable[..., ReleaseFigures], tmp_path: Path
) -> None:
    study, secret, public = make_study(), *write_key(tmp_path)
    (study / "study.toml").touch()
    for number, title in enumerate(("One", "Two")):
        publish(study, title=title)
        shutil.copytree(study / "release", tmp_path / str(number) / "release")
    publish(study, 11)
    shutil.copytree(study / "release", tmp_path / "2" / "release")
    digests = [sha256_file(tmp_path / place / "release/manifest.json") for place in "012"]
    place = shutil.copytree(tmp_path / "0/release", study / "earlier")
    assert published_by(place) == (study, digests[0]) and published_by(tmp_path / "0/release") is None
    old = write_notice(study, digests[0], "why", None)
    notice = withdraw_study(study, "why", None, digests[0])
    assert notice.path != old and notice.manifests == set(digests[:2])
    assert [check_release(tmp_path / each / "release", Trust(notice=notice.path)).state for each in "012"] == [
        "withdrawn",
        "withdrawn",
        "intact",
    ]
    old.unlink()
    notice.path.unlink()
    notice = withdraw_study(study, "why", Signer(secret), digests[1])
    assert "its signature is valid" in notice.told(Trust(public))
    values = json.loads(notice.path.read_text(encoding="utf-8"))
    values["release"]["also_manifest_sha256"] = [digests[2]]
    notice.path.write_text(json.dumps(values), encoding="utf-8")
    assert "its signature is invalid" in read_notice(notice.path).told(Trust(public))
