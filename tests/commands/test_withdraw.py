"""`unpersonal withdraw`, and what `verify` says then, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.commands.conforming import conforms
from tests.release.keys import write_certificates, write_key
from unpersonal.cli import app
from unpersonal.core.hashing import sha256_file
from unpersonal.release.history import History


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A folder that begins like a release: enough to be named and withdrawn."""
    folder = tmp_path / "release"
    folder.mkdir()
    manifest = {"format": "unpersonal-release", "format_version": "1", "files": {}, "images": 0}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


def test_a_release_is_withdrawn_and_refused(release: Path, tmp_path: Path) -> None:
    secret, public = write_key(tmp_path)
    code, out, _ = run("withdraw", release, "--reason", "shows a child", "--key", secret, "--json")
    digest = sha256_file(release / "manifest.json")
    notice = tmp_path / "WITHDRAWN.json"
    assert code == 0 and conforms("withdraw", out) == {
        "notice": str(notice),
        "signed": True,
        "reason": "shows a child",
        "manifest_sha256": digest,
    }
    code, out, err = run("verify", release, "--json")
    assert (
        code == 3
        and conforms("verify", out, code=3)["state"] == "withdrawn"
        and "was withdrawn by its publisher" in err
    )
    notice.rename(tmp_path / "notice.json")
    code, out, err = run("verify", release, "--notice", tmp_path / "notice.json", "--key", public)
    assert code == 3 and "shows a child (its signature is valid)" in err


def test_a_certificate_signs_a_notice(release: Path, tmp_path: Path) -> None:
    secret, certificate, root = write_certificates(tmp_path)
    words = ("--key", secret, "--certificate", certificate, "--certificate-chain", root)
    assert run("withdraw", release, "--reason", "why", *words)[0] == 0
    assert "its signature is valid" in run("verify", release, "--certificate-chain", root)[2]


def test_what_cannot_be_withdrawn_or_signed(release: Path, tmp_path: Path) -> None:
    secret, public = write_key(tmp_path)
    for words, what in (
        ((tmp_path / "gone", "--reason", "why"), "There is no such file or folder"),
        ((tmp_path, "--reason", "why"), "There is no release here"),
        ((release, "--reason", " "), "has a reason"),
        ((release, "--reason", "why", "--key", public), "no private key"),
        ((release, "--reason", "why", "--certificate", public), "signs nothing without its private key"),
        ((release, "--reason", "why", "--key", secret, "--certificate-chain", public), "vouches for a certificate"),
    ):
        code, _, err = run("withdraw", *words)
        assert code == 2 and what in err
    assert not list(tmp_path.glob("WITHDRAWN*"))


def test_a_study_without_a_release(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('[cohort]\nimages = "x"\nlayout = "folder"\nsubject = "file"\n')
    code, _, err = run("withdraw", tmp_path, "--reason", "why")
    assert code == 2 and "has published nothing" in err


def test_a_release_in_its_study_is_withdrawn_by_the_study(release: Path, tmp_path: Path) -> None:
    secret, _ = write_key(tmp_path)
    settings = '[cohort]\nimages = "x"\nlayout = "folder"\nsubject = "file"\n[release]\nsign = "' + secret.name + '"\n'
    (tmp_path / "study.toml").write_text(settings)
    history, digest = History(tmp_path), sha256_file(release / "manifest.json")
    history.publish("c" * 64, digest)
    history.publish("c" * 64, "0" * 64)
    code, out, err = run("withdraw", release, "--reason", "why", "--json")
    assert code == 0 and json.loads(out)["signed"], err
    told = json.loads((tmp_path / "WITHDRAWN.json").read_text(encoding="utf-8"))["release"]
    assert told == {"manifest_sha256": digest, "also_manifest_sha256": ["0" * 64]}
    assert History(tmp_path).withdrawn() == {"c" * 64: "why"}
