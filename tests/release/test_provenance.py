"""C2PA: pictures signed with a certificate that the test makes, read by C2PA's own reader; what differs is refused."""

from __future__ import annotations

import datetime
import io
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from unpersonal.cli import app
from unpersonal.core.errors import InputError
from unpersonal.release.config import ReleaseConfig
from unpersonal.release.exporting import export_release
from unpersonal.release.figures import StudyFigures
from unpersonal.release.marking import DIGITAL_SOURCE_TYPE, HEADER_END, MARK, SIGNED, chunk
from unpersonal.release.png import png_bytes
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.provenance import FORM, load_credential, sign_pictures
from unpersonal.release.signature import Trust
from unpersonal.release.stage import run_stage
from unpersonal.release.verify import check_release, verify_release

from .test_verify import rewrite_manifest

PICTURE = png_bytes(np.arange(64, dtype=np.uint8).reshape(1, 8, 8), marked=True)


def certificates(
    folder: Path, kind: str = "ec", name: str = "Test Signer", *, usage: bool = True, end: int = 2066
) -> tuple[str, str]:
    """PEM files of a signer's certificate under an authority of the test's own, for signing content, and of its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(common: str) -> x509.Name:
        pairs = ((NameOID.COMMON_NAME, common), (NameOID.ORGANIZATION_NAME, "Test"))
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])

    def certificate(subject: x509.Name, public: Any, bits: tuple[bool, ...], authority: bool) -> Any:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(named("Test Authority"))
        builder = builder.public_key(public).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(datetime.datetime(2026, 1, 1))
        builder = builder.not_valid_after(datetime.datetime(2066 if authority else end, 1, 1))
        builder = builder.add_extension(x509.BasicConstraints(authority, None), True)
        builder = builder.add_extension(x509.KeyUsage(*bits), True)
        if not authority and usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        if not authority:
            above = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
            builder = builder.add_extension(above, False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        return builder.sign(root, hashes.SHA256())

    root = ec.generate_private_key(ec.SECP256R1())
    key: Any = {
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "weak": lambda: rsa.generate_private_key(65537, 1024),
    }[kind]()
    off = (False,) * 3
    leaf = certificate(named(name), key.public_key(), (True, False, *off, False, False, False, False), False)
    top = certificate(named("Test Authority"), root.public_key(), (True, False, *off, True, True, False, False), True)
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(leaf.public_bytes(pem) + top.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(secret)
    return f"{name}.pem", f"{name}.key"


@pytest.fixture
def folder(make_study: Callable[..., Path], figures: StudyFigures) -> Path:
    """A release whose pictures are signed; the certificate lies in the study."""
    study = make_study()
    certificate, key = certificates(study)
    told = ReleaseConfig(c2pa_certificate=certificate, c2pa_key=key)
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures, told=told)
    return study / "release"


def read(data: bytes) -> dict[str, Any]:
    import c2pa

    found: dict[str, Any] = json.loads(c2pa.Reader(FORM, io.BytesIO(data)).json())
    return found


def test_the_reader_shows_the_assertion_of_every_picture(folder: Path) -> None:
    found = check_release(folder)
    assert found.problems == [] and found.unchecked == () and found.state == "intact"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["c2pa"] == {"issuer": "Test", "name": "Test Signer", "algorithm": "es256"}
    for path in (folder / "images").iterdir():
        told = read(path.read_bytes())
        assert told["validation_state"] == "Valid"
        [shown] = told["manifests"].values()
        [assertion] = shown["assertions"]
        assert assertion["label"] == "c2pa.actions.v2"
        assert assertion["data"]["actions"] == [{"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}]
        assert "thumbnail" not in shown and shown["signature_info"]["common_name"] == "Test Signer"
        with Image.open(path) as picture:
            picture.load()
            assert set(picture.info) == {"xmp", "XML:com.adobe.xmp"}
    assert not any(b"study" in path.read_bytes() for path in folder.rglob("*.json"))


def signed_by(folder: Path, name: str, **more: Any) -> bytes:
    """The picture, signed by somebody else or with something more said."""
    import c2pa

    plain = unsigned(folder.parent / "release" / "images" / "img-000001.png")
    found = load_credential(*certificates(folder.parent, name=name), folder.parent)
    assert found is not None
    told = {
        "claim_generator_info": [{"name": "unpersonal", "version": "0"}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}]},
            }
        ],
        **more,
    }
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", found.chain, found.key, None))
    context = c2pa.Context.from_dict({"builder": {"thumbnail": {"enabled": False}}})
    out = io.BytesIO()
    c2pa.Builder(json.dumps(told), context).sign(signer, FORM, io.BytesIO(plain), out)
    return out.getvalue()


def unsigned(path: Path) -> bytes:
    data = path.read_bytes()
    length = struct.unpack(">I", data[HEADER_END : HEADER_END + 4])[0]
    return data[:HEADER_END] + data[HEADER_END + 12 + length :]


ANOTHER = {
    "label": "c2pa.actions.v2",
    "data": {
        "actions": [
            {
                "action": "c2pa.created",
                "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
            }
        ]
    },
}
NOTE = {"label": "org.test.note", "data": {"text": "person 12"}}
MADE = {
    "label": "c2pa.actions.v2",
    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}]},
}
CHANGES: dict[str, tuple[Callable[[Path, bytes], bytes], str]] = {
    "pixels": (
        lambda folder, data: data[: data.index(b"IDAT") - 4] + png_bytes(np.zeros((1, 32, 32), np.uint8))[HEADER_END:],
        "not valid",
    ),
    "no manifest": (lambda folder, data: unsigned(folder / "images" / "img-000001.png"), "not one C2PA manifest"),
    "no mark": (lambda folder, data: data.replace(chunk(b"iTXt", MARK), b""), "no mark"),
    "rubbish": (
        lambda folder, data: PICTURE[:HEADER_END] + chunk(SIGNED, b"person 12") + PICTURE[HEADER_END:],
        "cannot be read",
    ),
    "somebody else": (lambda folder, data: signed_by(folder, "Other"), "somebody else"),
    "a note": (lambda folder, data: signed_by(folder, "Test Signer", assertions=[MADE, NOTE]), "something else"),
    "a title": (lambda folder, data: signed_by(folder, "Test Signer", title="person 12"), "more than it may"),
    "another source": (lambda folder, data: signed_by(folder, "Test Signer", assertions=[ANOTHER]), "something else"),
    "twice": (
        lambda folder, data: data[:-12] + chunk(SIGNED, b"person 12") + data[-12:],
        "not one C2PA manifest",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_is_not_what_was_signed_is_refused(folder: Path, name: str) -> None:
    change, said = CHANGES[name]
    path = folder / "images" / "img-000001.png"
    path.write_bytes(change(folder, path.read_bytes()))
    rewrite_manifest(folder)
    found = [problem for problem in verify_release(folder) if problem.startswith("images/img-000001.png")]
    assert any(said in problem for problem in found), found


def test_a_signature_that_the_manifest_does_not_tell_is_refused(folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.pop("c2pa"))
    assert len([problem for problem in verify_release(folder) if "metadata chunks caBX" in problem]) == 12
    rewrite_manifest(folder, lambda manifest: manifest.update(c2pa={"issuer": "Test"}))
    assert "manifest.json: c2pa: it does not say whose certificate signs" in verify_release(folder)


def test_where_c2pa_is_not_installed_nothing_is_called_checked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    found = check_release(folder)
    assert found.state == "intact" and found.problems == []
    [said] = found.unchecked
    assert "could not be checked" in said and "unpersonal[sign]" in said
    with pytest.raises(InputError, match="could not be checked wholly"):
        export_release(folder, "webdataset", folder.parent / "out")
    assert not (folder.parent / "out").exists()
    said = CliRunner().invoke(app, ["verify", str(folder)]).stdout
    assert "every rule that could be checked holds" in said and "every rule holds" not in said


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "algorithm"), [("ec", "es256"), ("ed25519", "ed25519"), ("rsa", "ps256")])
def test_keys_of_each_kind_sign(tmp_path: Path, kind: str, algorithm: str) -> None:
    found = load_credential(*certificates(tmp_path, kind), tmp_path)
    assert found is not None and found.algorithm == algorithm
    pictures, told = sign_pictures({"a.png": PICTURE}, found, "0")
    assert told["algorithm"] == algorithm and read(pictures["a.png"])["validation_state"] == "Valid"


def test_certificates_that_cannot_sign_are_input_errors(tmp_path: Path) -> None:
    certificate, key = certificates(tmp_path)
    other, other_key = certificates(tmp_path, name="Other")
    (tmp_path / "broken.pem").write_bytes(b"no certificate")
    for given, match in {
        (certificate, ""): "takes a certificate and its key",
        (certificate, "absent.key"): "No such file",
        ("broken.pem", key): "cannot be read",
        (certificate, "broken.pem"): "cannot be read",
        (certificate, other_key): "not that of the certificate",
        certificates(tmp_path, "weak", "Weak"): "does not sign with such a key",
    }.items():
        with pytest.raises(InputError, match=match):
            load_credential(*given, tmp_path)
    assert load_credential("", "", tmp_path) is None and load_credential(other, other_key, tmp_path) is not None


def test_a_certificate_that_c2pa_refuses_is_an_input_error_and_leaves_no_release(
    make_study: Callable[..., Path], figures: StudyFigures
) -> None:
    study = make_study()
    certificate, key = certificates(study, usage=False)
    told = ReleaseConfig(c2pa_certificate=certificate, c2pa_key=key)
    with pytest.raises(InputError, match="A picture cannot be signed"):
        run_stage(study, policy=PolicyConfig(), seed=5, figures=figures, told=told)
    assert not (study / "release").exists()


def test_signatures_lead_to_the_certificates_that_are_trusted(folder: Path, tmp_path: Path) -> None:
    """A valid signature says who made it by their own word; a trust list says who stands for that."""

    def authority(pem: Path) -> Path:
        (tmp_path / f"{pem.stem}-root.pem").write_text("-----BEGIN" + pem.read_text().split("-----BEGIN")[2])
        return tmp_path / f"{pem.stem}-root.pem"

    own, other = authority(folder.parent / "Test Signer.pem"), tmp_path / certificates(tmp_path, name="Other")[0]
    assert verify_release(folder) == [] and check_release(folder, Trust(anchors=own)).state == "intact"
    wrong = check_release(folder, Trust(anchors=authority(other))).problems
    assert len(wrong) == 12 and all("leads to no certificate of --trust-anchors" in problem for problem in wrong)
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(InputError, match="no certificate in PEM"):
        check_release(folder, Trust(anchors=tmp_path / "none.pem"))
    done = CliRunner().invoke(app, ["verify", str(folder), "--trust-anchors", str(authority(other))])
    assert done.exit_code == 2 and "--trust-anchors" in done.stderr
    assert CliRunner().invoke(app, ["verify", str(folder), "--trust-anchors", str(own)]).exit_code == 0


def test_a_release_without_c2pa_is_not_one_of_whom_is_trusted(
    make_study: Callable[..., Path], figures: StudyFigures
) -> None:
    study = make_study("plain")
    certificate, _ = certificates(study)
    run_stage(study, policy=PolicyConfig(), seed=5, figures=figures)
    found = check_release(study / "release", Trust(anchors=study / certificate)).problems
    assert found == ["manifest.json: the images are not signed by C2PA: --trust-anchors"]
