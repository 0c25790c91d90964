"""Checking signatures: what a recipient trusts, and whether a release, or a notice, was signed by it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError
from ..core.extras import require
from .signing import SIGNATURE, certificates, public_key, signed_names

if TYPE_CHECKING:
    from collections.abc import Mapping

SignatureState = Literal["unsigned", "not-checked", "valid", "invalid"]


@dataclass(frozen=True)
class Trust:
    """What a recipient trusts: the publisher's public key, or the certificates that vouch for it; and a notice.

    `notice` is the file of a withdrawal that does not lie with the release; `anchors` are certificates (PEM) to one of
    which the C2PA signature of every image must lead.
    """

    key: Path | None = None
    certificate_chain: tuple[Path, ...] = ()
    notice: Path | None = None
    anchors: Path | None = None

    @property
    def given(self) -> bool:
        """Whether there is anything by which a signature can be checked."""
        return self.key is not None or bool(self.certificate_chain)

    def check(self) -> None:
        """An `InputError` for files that cannot check a signature."""
        if not self.given:
            return
        require("sign")
        if self.key is not None and self.certificate_chain:
            raise InputError(
                "A signature is checked by a key or by certificates, not by both", where="--key", how="leave one out"
            )
        if self.key is not None:
            public_key(self.key)
        for path in self.certificate_chain:
            certificates(path)


@dataclass(frozen=True)
class Signature:
    """What became of a signature: its state, and what is wrong."""

    state: SignatureState
    problems: tuple[str, ...] = ()


NO_TRUST = Trust()


def check_signature(root: Path, told: object, listed: set[str], trust: Trust = NO_TRUST) -> Signature:
    """Whether the release at `root` is signed by whom `trust` names.

    `told` is what its manifest says of the signature (None: it is not signed) and `listed` are the files that the
    manifest lists. A signature that is missing where the manifest tells of one, that is not of all files, or not by
    whom is trusted is invalid; so is a release without one where a key was given. Files that cannot check a signature
    are an `InputError`.
    """
    trust.check()
    path = root / SIGNATURE
    if told is None:
        wrong = f"{SIGNATURE}: missing: the release is not signed, and something to check a signature by was given"
        return Signature("invalid", (wrong,)) if trust.given else Signature("unsigned")
    if not isinstance(told, dict) or told.get("file") != SIGNATURE:
        return Signature("invalid", ("manifest.json: what it says of the signature is not what a release says",))
    if path.is_symlink() or not path.is_file():
        return Signature("invalid", (f"{SIGNATURE}: missing (the manifest says that the release is signed)",))
    try:
        bundle = json.loads(path.read_text(encoding="utf-8"))
        covered, method = signed_names(bundle)
        if method != told.get("method"):
            raise ValueError("the manifest tells of a signature of another kind")
        if covered != {*listed, "manifest.json"}:
            raise ValueError("it is of other files than the manifest lists")
    except (ValueError, RecursionError) as error:
        return Signature("invalid", (f"{SIGNATURE}: {error}",))
    if not trust.given:
        return Signature("not-checked")
    wrong = _verify(root, method, trust)
    return Signature("invalid", (f"{SIGNATURE}: invalid: {wrong}",)) if wrong else Signature("valid")


def check_bytes(data: bytes, name: str, bundle: Mapping[str, Any], trust: Trust) -> str:
    """What is wrong with the signature of one file with the content `data`; empty where nothing is."""
    trust.check()
    try:
        covered, method = signed_names(bundle)
    except ValueError as error:
        return str(error)
    if covered != {name}:
        return "it is of something else"
    with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
        (Path(folder) / name).write_bytes(data)
        (Path(folder) / SIGNATURE).write_text(json.dumps(bundle), encoding="utf-8")
        return _verify(Path(folder), method, trust)


def _verify(root: Path, method: str, trust: Trust) -> str:
    """Why model-signing does not accept the signature of `root`; empty where it does."""
    if (method == "key") != (trust.key is not None):
        option = "--key PUBLIC" if method == "key" else "--certificate-chain CERTIFICATES"
        where = "--certificate-chain" if method == "key" else "--key"
        raise InputError(f"The signature is one by a {method}", where=where, how=f"check it by {option}")
    from model_signing import verifying

    make: Any = verifying.Config
    config = make()
    try:
        # it prints warnings and logs them; stdout is for what was asked for
        with contextlib.redirect_stdout(io.StringIO()), _quiet():
            if trust.key is not None:
                config.use_elliptic_key_verifier(public_key=trust.key)
            else:
                config.use_certificate_verifier(certificate_chain=trust.certificate_chain)
            # added files are for whoever compares the folder with its manifest
            config.set_ignore_unsigned_files(True).verify(root, root / SIGNATURE)
    except Exception as error:  # the library, OpenSSL and cryptography answer with errors of many kinds
        return _in_words(error)
    return ""


@contextlib.contextmanager
def _quiet() -> Any:
    logger = logging.getLogger("model_signing")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _in_words(error: Exception) -> str:
    kind, text = type(error).__name__, " ".join(str(error).split())
    if kind == "InvalidSignature":
        return "it was not made with this key, or what it signs was altered"
    if text.startswith("Key mismatch"):
        return "it was made with another key"
    if kind == "X509StoreContextError":
        return f"no trusted certificate vouches for it ({text})"
    return f"{kind}: {text}"[:300] if text else kind
