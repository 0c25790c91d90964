"""Signatures of releases: valid, invalid with why, or not checked; and never silently absent."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.release.keys import write_certificates, write_key
from unpersonal.core.errors import InputError
from unpersonal.release.config import ReleaseConfig
from unpersonal.release.exporting import export_release
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.signature import Trust
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import check_release


@pytest.fixture
def publish(make_study: Callable[..., Path], figures: StudyFigures) -> Callable[..., Path]:
    """Publish the release of a study, signed as `[release]` says."""

    def release(name: str = "a", **told: Any) -> Path:
        study = make_study(name)
        run_stage(study, policy=PolicyConfig(), seed=5, figures=figures, told=ReleaseConfig(**told))
        return study / "release"

    return release


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_release_is_signed_and_checked(publish: Callable[..., Path], tmp_path: Path) -> None:
    secret, public = write_key(tmp_path)
    _, other = write_key(tmp_path, "other")
    folder = publish(sign=str(secret))
    zipped = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder.parent, "release"))
    for path in (folder, zipped):
        found = check_release(path)
        assert (found.state, found.signature) == ("intact", "not-checked")
        found = check_release(path, Trust(public))
        assert (found.state, found.signature) == ("intact", "valid")
        found = check_release(path, Trust(other))
        assert (found.state, found.signature) == ("altered", "invalid")
        assert found.problems == ["model.sig: invalid: it was made with another key"]
    text = (folder / "model.sig").read_text() + (folder / "manifest.json").read_text()
    assert str(tmp_path) not in text and ".tmp" not in text
    with pytest.raises(InputError, match="The signature is one by a key"):
        check_release(folder, Trust(certificate_chain=(write_certificates(tmp_path)[2],)))
    assert export_release(folder, "parquet", tmp_path / "out", trust=Trust(public)).images == 12
    with pytest.raises(InputError, match="another key"):
        export_release(folder, "parquet", tmp_path / "again", trust=Trust(other))


def test_whatever_is_altered_a_forger_cannot_sign_it(publish: Callable[..., Path], tmp_path: Path) -> None:
    secret, public = write_key(tmp_path)
    original = publish(sign=str(secret))

    def forged(name: str, change: Callable[[dict[str, Any]], None] = lambda _: None, card: str = "") -> Path:
        folder = Path(shutil.copytree(original, tmp_path / name / "release"))
        if card:
            data = ((folder / "README.md").read_text(encoding="utf-8") + card).encode()
            (folder / "README.md").write_bytes(data)
            entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            rewrite(folder, lambda manifest: manifest["files"].update({"README.md": entry}))
        rewrite(folder, change)
        return folder

    found = check_release(forged("card", card="\nAll is well.\n"), Trust(public))
    assert found.signature == "invalid" and "Hash mismatch" in found.problems[0]
    assert check_release(forged("card2", card="\nAll is well.\n")).signature == "not-checked"

    folder = forged("stripped", lambda manifest: manifest.pop("signature"))
    (folder / "model.sig").unlink()
    assert check_release(folder).signature == "unsigned"
    found = check_release(folder, Trust(public))
    assert found.state == "altered" and "the release is not signed" in found.problems[0]

    folder = forged("missing")
    (folder / "model.sig").unlink()
    found = check_release(folder)
    assert found.state == "altered" and found.problems == [
        "model.sig: missing (the manifest says that the release is signed)"
    ]
    found = check_release(forged("untold", lambda manifest: manifest.pop("signature")))
    assert found.problems == ["model.sig: added (not in the manifest)"]

    folder = forged("broken")
    bundle = json.loads((folder / "model.sig").read_text())
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    (folder / "model.sig").write_text(json.dumps(bundle))
    assert check_release(folder, Trust(public)).signature == "invalid"
    for text in ("", "[]", "{}", '{"verificationMaterial": {}, "dsseEnvelope": {"payload": "e30="}}', "[" * 9999):
        (folder / "model.sig").write_text(text)
        assert check_release(folder).signature == "invalid"


def test_a_signature_of_another_release_is_none(publish: Callable[..., Path], tmp_path: Path) -> None:
    secret, public = write_key(tmp_path)
    folder = publish(sign=str(secret))
    (tmp_path / "few").mkdir()
    (tmp_path / "few/README.md").write_bytes((folder / "README.md").read_bytes())
    from unpersonal.release.signing import Signer

    Signer(secret).sign(tmp_path / "few")
    shutil.copy(tmp_path / "few/model.sig", folder / "model.sig")
    found = check_release(folder, Trust(public))
    assert found.problems == ["model.sig: it is of other files than the manifest lists"]


def test_certificates(publish: Callable[..., Path], tmp_path: Path) -> None:
    secret, certificate, root = write_certificates(tmp_path)
    *_, stranger = write_certificates(tmp_path, "b")
    folder = publish(sign=str(secret), sign_certificate=str(certificate), sign_chain=(str(root),))
    assert check_release(folder, Trust(certificate_chain=(root,))).signature == "valid"
    alone = publish("alone", sign=str(secret), sign_certificate=str(certificate))
    assert check_release(alone, Trust(certificate_chain=(root,))).signature == "valid"
    found = check_release(folder, Trust(certificate_chain=(stranger,)))
    assert found.signature == "invalid" and "no trusted certificate vouches for it" in found.problems[0]
    with pytest.raises(InputError, match="one by a certificate"):
        check_release(folder, Trust(write_key(tmp_path)[1]))


def test_files_that_check_nothing_are_named(publish: Callable[..., Path], tmp_path: Path) -> None:
    secret, public = write_key(tmp_path)
    folder = publish(sign=str(secret))
    (tmp_path / "text").write_text("no key")
    for trust, what in (
        (Trust(tmp_path / "gone.pub"), "cannot be read"),
        (Trust(tmp_path / "text"), "no public key"),
        (Trust(secret), "a private key"),
        (Trust(certificate_chain=(public,)), "no certificate"),
        (Trust(certificate_chain=(tmp_path / "gone.pem",)), "cannot be read"),
        (Trust(public, (public,)), "not by both"),
    ):
        with pytest.raises(InputError, match=what):
            check_release(folder, trust)
