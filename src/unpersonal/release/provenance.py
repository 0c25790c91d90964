"""C2PA: every picture of a release signed with its publisher's certificate, to say who says that it is synthetic.

A manifest of C2PA 2 (Coalition for Content Provenance and Authenticity) stands in a chunk of its own, with one action:
created, by a trained algorithm. It names nothing else, and nobody but the signer.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.extras import require
from ..core.hashing import sha256_bytes
from .marking import DIGITAL_SOURCE_TYPE
from .signing import certificates

FORM = "image/png"
ACTIONS, HASH = "c2pa.actions.v2", "c2pa.hash.data"
ACTION = {"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}
_CLAIM = frozenset(
    {"instanceID", "claim_generator_info", "signature", "created_assertions", "gathered_assertions", "alg"}
    | {"claim_version", "dc:format"}
)
SIGNER = {"issuer": "issuer", "name": "common_name", "algorithm": "alg"}
"""What the manifest of a release tells of who signed, and where the reader has it."""
_GENERATOR = frozenset({"name", "version", "org.contentauth.c2pa_rs"})
_INSTALL = "install the extra `sign`: pip install 'unpersonal[sign]'"
UNCHECKED = "the C2PA signatures of the images could not be checked: {why}"


@dataclass(frozen=True)
class Credential:
    """A chain of certificates, the signer's first, and its private key, both PEM; and C2PA's name of the algorithm."""

    chain: bytes
    key: bytes
    algorithm: str


def load_credential(certificate: str, key: str, base: Path) -> Credential | None:
    """The credential in two PEM files, relative to `base`; None where neither is named.

    A file that is missing or broken, a key of another certificate, or one that C2PA has no algorithm for, is an
    `InputError`.
    """
    if not certificate and not key:
        return None
    where = "[release] c2pa_certificate, c2pa_key"
    if not (certificate and key):
        raise InputError("C2PA takes a certificate and its key", where=where, how="name both, or neither")
    import c2pa  # noqa: F401  (whoever lacks it is told so before anything is signed)
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        chain, secret = (base / certificate).read_bytes(), (base / key).read_bytes()
        leaf = x509.load_pem_x509_certificates(chain)[0]
        private = serialization.load_pem_private_key(secret, None)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}", where=where, how="correct the path") from None
    except (ValueError, TypeError) as error:
        how = "give PEM files: the signer's certificate and those above it, and a private key without a password"
        raise InputError(f"The certificate or its key cannot be read ({error})", where=where, how=how) from None
    if private.public_key() != leaf.public_key():
        raise InputError("The key is not that of the certificate", where=where, how="name the key that belongs to it")
    return Credential(chain, secret, _algorithm(private, where))


def _algorithm(key: Any, where: str) -> str:
    """C2PA's name of what a key signs with (specification 2, 13.2.1)."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        return curves[key.curve.name]
    how = "use ECDSA on P-256, P-384 or P-521, Ed25519, or RSA from 2048 bits on"
    raise InputError("C2PA does not sign with such a key", where=where, how=how)


def sign_pictures(
    pictures: Mapping[str, bytes], credential: Credential, version: str
) -> tuple[dict[str, bytes], dict[str, str]]:
    """The PNG files by name, each with a manifest, and who signed them, as their reader has it.

    Identifiers and signatures differ from run to run.
    """
    import c2pa

    where = "[release] c2pa_certificate"
    told = {
        "claim_generator_info": [{"name": "unpersonal", "version": version}],
        "format": FORM,
        "assertions": [{"label": ACTIONS, "data": {"actions": [ACTION]}}],
    }
    found: dict[str, bytes] = {}
    signer_told: dict[str, str] = {}
    try:
        # a picture of the picture would be a second one, and a text that nobody checked
        context = c2pa.Context.from_dict({"builder": {"thumbnail": {"enabled": False}}})
        info = c2pa.C2paSignerInfo(credential.algorithm.encode(), credential.chain, credential.key, None)
        signer = c2pa.Signer.from_info(info)
        for name, data in pictures.items():
            signed = io.BytesIO()
            c2pa.Builder(json.dumps(told), context).sign(signer, FORM, io.BytesIO(data), signed)
            found[name] = signed.getvalue()
            signer_told = signer_told or _signer(_read(found[name]))
            if problems := _of_picture(found[name], signer_told):
                raise InputError(f"A picture cannot be signed: {problems[0]}", where=where, how="see docs/legal.md")
    except c2pa.C2paError as error:
        how = "use a certificate that C2PA allows: issued by an authority, for digital signatures, with its chain"
        raise InputError(f"A picture cannot be signed ({error})", where=where, how=how) from None
    return found, signer_told


def _read(data: bytes, anchors: str | None = None) -> dict[str, Any]:
    """All that C2PA's reader tells of a picture; whether it is trusted is by the certificates `anchors`, PEM."""
    import c2pa

    told = {} if anchors is None else {"verify": {"verify_trust": True}, "trust": {"trust_anchors": anchors}}
    with c2pa.Reader(FORM, io.BytesIO(data), context=c2pa.Context.from_dict(told)) as reader:
        found: dict[str, Any] = json.loads(reader.detailed_json())
    return found


def _signer(found: Mapping[str, Any]) -> dict[str, str]:
    """Who signed, as the reader names them: the organisation and the name in the certificate, and the algorithm."""
    signature = next(iter(found["manifests"].values())).get("signature", {})
    return {name: str(signature.get(key, "")) for name, key in SIGNER.items()}


def provenance_problems(
    root: Path, names: list[str], told: object, anchors: Path | None = None
) -> tuple[list[str], list[str]]:
    """(what is wrong with the signatures of the pictures `names` below `root`, why they could not be checked).

    `told` is what the manifest says of them, None where it says that there are none. Where `anchors` are given, a PEM
    file, the signer's certificate must lead to one of them.
    """
    if anchors is not None:
        require("sign")
        certificates(anchors)
    if told is None:
        return ([] if anchors is None else ["manifest.json: the images are not signed by C2PA: --trust-anchors"]), []
    if not isinstance(told, Mapping) or set(told) != set(SIGNER):
        return ["manifest.json: c2pa: it does not say whose certificate signs"], []
    try:
        import c2pa  # noqa: F401
    except ImportError:
        return [], [UNCHECKED.format(why=_INSTALL)]
    pem = None if anchors is None else anchors.read_text(encoding="ascii", errors="replace")
    return [
        f"{name}: {problem}" for name in names for problem in _of_picture((root / name).read_bytes(), told, pem)
    ], []


def _of_picture(data: bytes, told: Mapping[str, Any], anchors: str | None = None) -> list[str]:
    """What is wrong with the signature of one picture."""
    import c2pa

    try:
        found = _read(data, anchors)
    except (c2pa.C2paError, ValueError) as error:
        return [f"its C2PA manifest cannot be read ({str(error).splitlines()[0][:120]})"]
    if found.get("validation_state") not in ("Valid", "Trusted"):
        return ["its C2PA signature is not valid"]
    if anchors is not None and found["validation_state"] != "Trusted":
        return ["its C2PA signature leads to no certificate of --trust-anchors"]
    manifests = list(found.get("manifests", {}).values())
    if len(manifests) != 1:
        return [f"{len(manifests)} C2PA manifests, of which there must be one"]
    problems = _said(manifests[0])
    if _signer(found) != dict(told):
        problems.append("it is signed by somebody else than manifest.json says")
    return problems


def _said(manifest: Mapping[str, Any]) -> list[str]:
    """Whether a manifest says that a trained algorithm created the picture, and nothing else."""
    claim, store = manifest.get("claim", {}), manifest.get("assertion_store", {})
    problems = []
    if set(store) != {ACTIONS, HASH} or store.get(ACTIONS) != {"actions": [ACTION]}:
        problems.append("its C2PA manifest says something else than that a trained algorithm created it")
    generator = claim.get("claim_generator_info", {})
    if set(claim) - _CLAIM or set(generator) - _GENERATOR or generator.get("name") != "unpersonal":
        problems.append("its C2PA manifest says more than it may")
    return problems


def credential_fingerprint(certificate: str, base: Path) -> str:
    """What tells one certificate from another, for what must be made anew; empty where there is none to read."""
    try:
        return sha256_bytes((base / certificate).read_bytes()) if certificate else ""
    except OSError:
        return ""
