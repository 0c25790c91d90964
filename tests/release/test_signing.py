"""Keys that cannot sign are named before anything is written, and a release without its signature is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError

from tests.release.keys import write_certificates, write_key
from unpersonal.core.errors import InputError
from unpersonal.release.config import ReleaseConfig
from unpersonal.release.figures import StudyFigures
from unpersonal.release.policy import PolicyConfig
from unpersonal.release.signing import Signer
from unpersonal.release.stage import run_stage


def test_keys_that_cannot_sign(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("-----BEGIN NOTHING-----\n")
    secret, public = write_key(tmp_path)
    encrypted, _ = write_key(tmp_path, "encrypted", password=b"secret")
    large, _ = write_key(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    curve, _ = write_key(tmp_path, "k1", ec.generate_private_key(ec.SECP256K1()))
    for path, what in (
        (tmp_path / "gone.pem", "cannot be read"),
        (tmp_path, "cannot be read"),
        (tmp_path / "text", "no private key"),
        (public, "no private key"),
        (encrypted, "is encrypted"),
        (large, "are not taken"),
        (curve, "secp256k1 are not taken"),
    ):
        with pytest.raises(InputError, match=what) as error:
            Signer(path).public_key_sha256()
        assert error.value.where == str(path) and error.value.how
    _, certificate, root = write_certificates(tmp_path)
    with pytest.raises(InputError, match="not one of the private key"):
        Signer(secret, certificate).public_key_sha256()
    with pytest.raises(InputError, match="no certificate"):
        Signer(secret, public).public_key_sha256()
    with pytest.raises(InputError, match="no certificate"):
        Signer(tmp_path / "a-leaf.pem", certificate, (root, public)).public_key_sha256()


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_folder_is_signed_by_any_curve_that_is_taken(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    from unpersonal.release.signature import Trust, check_signature

    secret, public = write_key(tmp_path, key=ec.generate_private_key(curve))
    folder = tmp_path / "release"
    (folder / "images").mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "images/.gitignore").write_text("also what git ignores")
    signer = Signer(secret)
    signer.sign(folder)
    found = check_signature(folder, signer.told(), {"images/.gitignore"}, Trust(public))
    assert (found.state, found.problems) == ("valid", ())


def test_no_release_goes_out_that_could_not_be_signed(
    make_study: Callable[..., Path], figures: StudyFigures, tmp_path: Path
) -> None:
    study = make_study()
    told = ReleaseConfig(sign="gone.pem")
    with pytest.raises(InputError, match="cannot be read"):
        run_stage(study, policy=PolicyConfig(), seed=5, figures=figures, told=told)
    assert not (study / "release").exists()


def test_a_certificate_needs_a_key() -> None:
    with pytest.raises(ValidationError, match="private key of the certificate"):
        ReleaseConfig(sign_certificate="a.pem")
    with pytest.raises(ValidationError, match="vouches for a certificate"):
        ReleaseConfig(sign="key.pem", sign_chain=("a.pem",))
