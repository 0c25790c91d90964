"""Signing releases and notices by `model-signing`: an OMS signature (DSSE, in-toto statement) in a Sigstore bundle.

Offline: an elliptic-curve key, with or without a certificate; no keyless signature of Sigstore. What a signature covers
is a folder of files; of a release all but the signature itself.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..core.errors import InputError
from ..core.extras import require
from ..core.files import read_json

if TYPE_CHECKING:
    from .config import ReleaseConfig

SIGNATURE = "model.sig"
CURVES = ("secp256r1", "secp384r1", "secp521r1")
MAKE = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem"


@dataclass(frozen=True)
class Signer:
    """Files that sign: a private key (PEM), and where one vouches for it a certificate with those above it."""

    key: Path
    certificate: Path | None = None
    chain: tuple[Path, ...] = ()

    @classmethod
    def of(cls, config: ReleaseConfig, base: Path) -> Signer | None:
        """The signer that `[release]` names, paths relative to `base`; None where releases are not signed."""
        if not config.sign:
            return None
        certificate = base / config.sign_certificate if config.sign_certificate else None
        return cls(base / config.sign, certificate, tuple(base / name for name in config.sign_chain))

    @property
    def method(self) -> str:
        """What a recipient needs to check it: `key`, the public one, or `certificate`, those that they trust."""
        return "key" if self.certificate is None else "certificate"

    def public_key_sha256(self) -> str:
        """SHA-256 of the public key in PEM; an `InputError` for a key or certificates that cannot sign."""
        require("sign")
        from cryptography import x509

        public = _private_key(self.key).public_key()
        if self.certificate is not None:
            for path in (self.certificate, *self.chain):
                _pem(path, x509.load_pem_x509_certificate, "certificate")
            if _pem(self.certificate, x509.load_pem_x509_certificate, "certificate").public_key() != public:
                raise InputError(
                    "The certificate is not one of the private key", where=str(self.certificate), how="name its own"
                )
        return hashlib.sha256(_in_pem(public)).hexdigest()

    def told(self) -> dict[str, str]:
        """What a manifest says of the signature beside it."""
        return {"file": SIGNATURE, "method": self.method, "public_key_sha256": self.public_key_sha256()}

    def sign(self, folder: Path) -> None:
        """Write `folder`/model.sig, over every other file in it."""
        self.public_key_sha256()
        from model_signing import signing

        # the library declares no types
        make: Any = signing.Config
        config = make().set_hashing_config(_hashing())
        if self.certificate is None:
            config.use_elliptic_key_signer(private_key=self.key)
        else:
            # the library cannot do without any: the certificate itself adds nothing to what vouches for it
            chain = self.chain or (self.certificate,)
            config.use_certificate_signer(
                private_key=self.key, signing_certificate=self.certificate, certificate_chain=chain
            )
        config.sign(folder, folder / SIGNATURE)

    def sign_bytes(self, data: bytes, name: str) -> dict[str, Any]:
        """The signature of one file with the content `data`, as JSON."""
        with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
            (Path(folder) / name).write_bytes(data)
            self.sign(Path(folder))
            found: dict[str, Any] = read_json(Path(folder) / SIGNATURE)
            return found


def _hashing() -> Any:
    """How files are hashed: one by one, git's own among them, and under a name that says nothing of this machine."""
    from model_signing import hashing, manifest

    class Named(hashing.Config):
        """The folder is called `release` whatever it is called while it is written."""

        def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:
            """See `hashing.Config`."""
            found = super().hash(model_path, files_to_hash=files_to_hash)
            kind: Any = manifest.SerializationType.from_args(found.serialization_type)
            items = [kind.new_item(each.identifier, each.digest) for each in found.resource_descriptors()]
            return manifest.Manifest("release", items, kind)

    make: Any = Named
    return make().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _private_key(path: Path) -> Any:
    """The private key at `path`; missing, encrypted, of another kind or curve, or no key at all is an `InputError`."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_content(path, "private key"), None)
    except TypeError:
        raise InputError(
            "The private key is encrypted, and nobody is asked for a password here",
            where=str(path),
            how="name a file that only you can read: openssl pkey -in KEY -out PLAIN",
        ) from None
    except ValueError:
        raise InputError("This is no private key in PEM", where=str(path), how=f"make one: {MAKE}") from None
    return _on_a_curve(key, path)


def public_key(path: Path) -> Any:
    """The public key at `path`; what cannot check a signature is an `InputError`."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _content(path, "public key")
    if b"PRIVATE KEY" in data:
        _refuse_private(path)
    try:
        return _on_a_curve(load_pem_public_key(data), path)
    except ValueError:
        how = "ask the publisher for it: openssl pkey -in KEY -pubout -out PUBLIC"
        raise InputError("This is no public key in PEM", where=str(path), how=how) from None


def _refuse_private(path: Path) -> NoReturn:
    raise InputError(
        "This is a private key: a signature is checked by the public one",
        where=str(path),
        how="openssl pkey -in KEY -pubout -out PUBLIC",
    )


def certificates(path: Path) -> list[Any]:
    """The certificates at `path`, at least one; else an `InputError`."""
    from cryptography import x509

    found: list[Any] = _pem(path, x509.load_pem_x509_certificates, "certificate")
    return found


def _pem(path: Path, load: Any, what: str) -> Any:
    try:
        return load(_content(path, what))
    except ValueError:
        raise InputError(f"This is no {what} in PEM", where=str(path), how=f"name the file of the {what}") from None


def _on_a_curve(key: Any, path: Path) -> Any:
    name = getattr(getattr(key, "curve", None), "name", type(key).__name__)
    if name not in CURVES:
        raise InputError(
            f"Keys of the kind {name} are not taken, but NIST P-256, P-384 and P-521",
            where=str(path),
            how=f"make one: {MAKE}",
        )
    return key


def _in_pem(public: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    data: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return data


def _content(path: Path, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"The {what} cannot be read ({error.strerror})",
            where=str(path),
            how="correct the path, or make it readable",
        ) from None


def signed_names(bundle: object) -> tuple[set[str], str]:
    """The names of the files that a signature covers, and by what it is checked; `ValueError` for anything else.

    Only the signature's check says whether any of it is true.
    """
    import base64

    try:
        material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]  # type: ignore[index]
        statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
        names = [each["name"] for each in statement["predicate"]["resources"]]
        kinds = {"publicKey": "key", "x509CertificateChain": "certificate"}
        [method] = [kinds[name] for name in kinds if name in material]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("no signature of a folder") from None
    if len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError("it names a file twice")
    return set(names), method
