"""Keys and certificates, made for one test and worth nothing."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def write_key(folder: Path, name: str = "key", key: Private | None = None, password: bytes = b"") -> tuple[Path, Path]:
    """A private key and its public one, in PEM."""
    made = key or ec.generate_private_key(ec.SECP256R1())
    secret, public = folder / f"{name}.pem", folder / f"{name}.pub"
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    secret.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    public.write_bytes(made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return secret, public


def write_certificates(folder: Path, name: str = "a", *, digital_signature: bool = True) -> tuple[Path, Path, Path]:
    """A key, its certificate for signing, and the authority that vouches for it."""
    authority, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    secret, _ = write_key(folder, f"{name}-leaf", leaf)
    root = _certificate(f"{name} authority", authority, f"{name} authority", authority, signs_others=True)
    (folder / f"{name}-root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    made = _certificate(
        *(f"{name} publisher", leaf, f"{name} authority", authority),
        signs_others=False,
        digital_signature=digital_signature,
    )
    (folder / f"{name}-leaf.crt").write_bytes(made.public_bytes(Encoding.PEM))
    return secret, folder / f"{name}-leaf.crt", folder / f"{name}-root.pem"


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *,
    signs_others: bool,
    digital_signature: bool = True,
) -> x509.Certificate:
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=signs_others, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=digital_signature, key_cert_sign=signs_others, crl_sign=signs_others, **usage
            ),
            critical=True,
        )
        .sign(by, hashes.SHA256())
    )
