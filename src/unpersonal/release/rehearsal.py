"""Whether what signs a release can sign today: tried before hours of work, on nothing that anybody is shown."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .config import ReleaseConfig
from .provenance import load_credential, sign_pictures
from .signing import Signer, certificates

SIGN, C2PA = "[release] sign_certificate, sign_chain", "[release] c2pa_certificate"
SIDE = 16
"""Pixels a side of the picture that is signed for a trial."""


def rehearse(config: ReleaseConfig, base: Path, now: datetime.datetime | None = None) -> None:
    """Sign something with whatever `[release]` names, paths relative to `base`; an `InputError` where that fails.

    Certificates must be valid `now`, by default today, be issued by the one that follows, and be for signatures; what
    signs must be theirs.
    """
    when = now or datetime.datetime.now(datetime.timezone.utc)
    if signer := Signer.of(config, base):
        signer.public_key_sha256()
        if signer.certificate is not None:
            found = [each for path in (signer.certificate, *signer.chain) for each in certificates(path)]
            check_chain(found, SIGN, when)
        signer.sign_bytes(b"", "rehearsal.txt")
    if credential := load_credential(config.c2pa_certificate, config.c2pa_key, base):
        check_chain(certificates(base / config.c2pa_certificate), C2PA, when)
        sign_pictures({"rehearsal.png": _picture()}, credential, "rehearsal")


def check_chain(chain: Sequence[Any], where: str, now: datetime.datetime) -> None:
    """An `InputError` for x509 certificates, the signer's first, of which one is not valid `now`, does not come from
    the next one, or for a signer's that is not for signatures."""
    for number, each in enumerate(chain, 1):
        name = f"Certificate {number} of {len(chain)} ({each.subject.rfc4514_string()})"
        start, end = each.not_valid_before_utc, each.not_valid_after_utc
        if now > end:
            raise InputError(f"{name} has expired on {end:%Y-%m-%d}", where=where, how="renew it")
        if now < start:
            how = "wait, or correct the clock of this machine"
            raise InputError(f"{name} is valid only from {start:%Y-%m-%d %H:%M} UTC on", where=where, how=how)
        if number < len(chain) and not _comes_from(each, chain[number]):
            how = "give them in order: the signer's, then its issuer's, and so on up"
            raise InputError(f"{name} was not issued by the one that follows it", where=where, how=how)
    if not _may_sign(chain[0]):
        how = "ask for one with the key usage digitalSignature"
        raise InputError("The signer's certificate is not for signatures", where=where, how=how)


def _comes_from(certificate: Any, issuer: Any) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _may_sign(certificate: Any) -> bool:
    """As model-signing's verifier asks: by key usage, or else for code."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    extensions = certificate.extensions
    try:
        if extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            return True
    except x509.ExtensionNotFound:
        pass
    try:
        return ExtendedKeyUsageOID.CODE_SIGNING in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False


def _picture() -> bytes:
    import numpy as np

    from .png import png_bytes

    return png_bytes(np.zeros((1, SIDE, SIDE), np.uint8))
