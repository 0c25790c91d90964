"""A notice withdraws a release wherever it lies, signed or not, and no other release."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.release.keys import write_key
from unpersonal.core.errors import InputError, PolicyRefused
from unpersonal.core.hashing import sha256_file
from unpersonal.release.exporting import export_release
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.signature import Trust
from unpersonal.release.signing import Signer
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import check_release, refuse_unless_whole
from unpersonal.release.withdrawal import read_notice
from unpersonal.release.withdrawing import withdraw_release


@pytest.fixture
def folder(make_study: Callable[..., Path], figures: StudyFigures, tmp_path: Path) -> Path:
    study = make_study()
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)
    return Path(shutil.copytree(study / "release", tmp_path / "received" / "release"))


def test_a_notice_is_heeded_beside_inside_and_anywhere(folder: Path, tmp_path: Path) -> None:
    zipped = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder.parent, "release"))
    notice = withdraw_release(folder, "One image shows\n a child.", None)
    assert notice.path == folder.parent / "WITHDRAWN.json" and notice.reason == "One image shows a child."
    assert json.loads(notice.path.read_text(encoding="utf-8")) == {
        "format": "unpersonal-withdrawal",
        "format_version": "1",
        "release": {"manifest_sha256": sha256_file(folder / "manifest.json")},
        "reason": "One image shows a child.",
    }
    told = ["WITHDRAWN.json: this release was withdrawn: One image shows a child. (it is not signed)"]
    found = check_release(folder)
    assert (found.state, found.problems) == ("withdrawn", told)
    with pytest.raises(PolicyRefused, match="was withdrawn"):
        refuse_unless_whole(found, "here")
    with pytest.raises(PolicyRefused, match="was withdrawn"):
        export_release(folder, "nifti", tmp_path / "out")
    assert not (tmp_path / "out").exists()

    elsewhere = tmp_path / "elsewhere" / "notice.json"
    elsewhere.parent.mkdir()
    shutil.move(notice.path, elsewhere)
    assert check_release(folder).state == "intact"
    assert check_release(folder, Trust(notice=elsewhere)).state == "withdrawn"

    shutil.copy(elsewhere, folder / "WITHDRAWN.json")
    assert check_release(folder).problems == told
    (folder / "WITHDRAWN.json").unlink()

    assert check_release(zipped).state == "intact"
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.write(elsewhere, "WITHDRAWN.json")
    assert check_release(zipped).problems == told
    inside = Path(shutil.make_archive(str(tmp_path / "other" / "sent"), "zip", folder.parent, "release"))
    with zipfile.ZipFile(inside, "a") as archive:
        archive.write(elsewhere, "release/WITHDRAWN.json")
    assert check_release(inside).problems == told
    (inside.parent / "new.zip").write_bytes(zipped.read_bytes())


def test_the_notice_of_a_zip_lies_beside_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "post").mkdir()
    zipped = Path(shutil.make_archive(str(tmp_path / "post" / "sent"), "zip", folder))
    notice = withdraw_release(zipped, "why", None)
    assert notice.path == tmp_path / "post" / "WITHDRAWN.json"
    assert check_release(zipped).state == "withdrawn" and check_release(folder).state == "intact"


def test_a_notice_of_another_release_is_of_no_concern(folder: Path) -> None:
    notice = withdraw_release(folder, "why", None)
    values = json.loads(notice.path.read_text(encoding="utf-8"))
    values["release"]["manifest_sha256"] = "0" * 64
    notice.path.write_text(json.dumps(values), encoding="utf-8")
    assert check_release(folder).state == "intact"
    assert check_release(folder, Trust(notice=notice.path)).state == "intact"
    shutil.copy(notice.path, folder / "WITHDRAWN.json")
    assert check_release(folder).problems == ["WITHDRAWN.json: added (not in the manifest)"]
    (folder / "WITHDRAWN.json").unlink()
    again = withdraw_release(folder, "why", None)
    assert again.path.name == f"WITHDRAWN-{again.manifest_sha256[:12]}.json"
    assert check_release(folder).state == "withdrawn"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "unpersonal-withdrawal"}', "[" * 9999])
def test_a_notice_that_cannot_be_read_refuses(folder: Path, text: str) -> None:
    path = folder.parent / "WITHDRAWN.json"
    path.write_text(text)
    found = check_release(folder)
    assert found.state == "withdrawn" and "no notice of a withdrawal" in found.problems[0]
    with pytest.raises(InputError, match="no notice"):
        check_release(folder, Trust(notice=path))


def test_a_given_notice_must_be_there(folder: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        check_release(folder, Trust(notice=folder / "gone.json"))


def test_signed_notices(folder: Path, tmp_path: Path) -> None:
    secret, public = write_key(tmp_path)
    _, other = write_key(tmp_path, "other")
    notice = withdraw_release(folder, "Grüße", Signer(secret))
    assert "no key was given to check that" in check_release(folder).problems[0]
    # the release itself is not signed, so that a key finds something else wrong too; the notice is told first
    assert "its signature is valid" in check_release(folder, Trust(public)).problems[0]
    found = check_release(folder, Trust(other))
    assert found.state == "withdrawn" and "its signature is invalid" in found.problems[0]
    values = json.loads(notice.path.read_text(encoding="utf-8"))
    values["reason"] = "Another reason"
    notice.path.write_text(json.dumps(values), encoding="utf-8")
    assert "its signature is invalid" in read_notice(notice.path).told(Trust(public))
    values["signature"] = {}
    notice.path.write_text(json.dumps(values), encoding="utf-8")
    assert "its signature is invalid" in read_notice(notice.path).told(Trust(public))


def test_the_same_again_changes_nothing_and_another_one_is_refused(folder: Path, tmp_path: Path) -> None:
    notice = withdraw_release(folder, "why", None)
    before = notice.path.read_bytes()
    assert withdraw_release(folder, " why ", None).path.read_bytes() == before
    for reason, signer in (("because", None), ("why", Signer(write_key(tmp_path)[0]))):
        with pytest.raises(InputError, match="a notice of this release already"):
            withdraw_release(folder, reason, signer)
    for reason in ("", "  ", "\x07", "x" * 2001):
        with pytest.raises(InputError, match="has a reason"):
            withdraw_release(folder, reason, None)


def test_an_altered_release_can_be_withdrawn_and_is_both(folder: Path) -> None:
    (folder / "labels.csv").write_text("x")
    withdraw_release(folder, "why", None)
    found = check_release(folder)
    assert found.state == "withdrawn" and any("labels.csv: changed" in problem for problem in found.problems)


@pytest.mark.parametrize("name", ["WITHDRAWN (1).json", "withdrawn.json", "WITHDRAWN.JSON", "WITHDRAWN - Copy.json"])
def test_a_notice_is_heeded_by_the_names_that_copies_get(folder: Path, name: str) -> None:
    notice = withdraw_release(folder, "why", None).path
    notice.rename(folder / name)
    assert check_release(folder).problems == [f"{name}: this release was withdrawn: why (it is not signed)"]
    (folder / name).rename(folder.parent / name)
    assert check_release(folder).state == "withdrawn"
    (folder.parent / name).write_text("{")
    assert "no notice of a withdrawal" in check_release(folder).withdrawn[0]
    (folder.parent / name).unlink()
    (folder.parent / "withdrawn-patients.json").write_text('["consent withdrawn"]')
    assert check_release(folder).state == "intact"


def test_what_nobody_can_read_beside_a_release_refuses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder.parent / "WITHDRAWN.json"
    place.symlink_to("gone.json")
    assert "WITHDRAWN.json: The notice cannot be read" in check_release(folder).withdrawn[0]
    place.unlink()
    os.mkfifo(place)
    assert "nor a plain file" in check_release(folder).withdrawn[0]
    place.unlink()
    listed = Path.iterdir

    def denied(path: Path) -> Iterator[Path]:
        if path == folder.parent:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    assert check_release(folder).withdrawn == (
        "received: cannot be listed (Permission denied); a notice may lie there",
    )


def test_a_notice_beside_a_link_to_a_release_is_heeded(folder: Path, tmp_path: Path) -> None:
    notice = withdraw_release(folder, "why", None).path
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "release"
    link.symlink_to(folder)
    assert len(check_release(link).withdrawn) == 1
    shutil.move(notice, link.parent / notice.name)
    assert check_release(link).state == "withdrawn" and check_release(folder).state == "intact"
