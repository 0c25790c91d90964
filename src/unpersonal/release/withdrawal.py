"""Withdrawing a release: a notice that names it by the hash of its manifest, signed where there is a key.

A notice lies beside a release, in it, or anywhere else; what it says holds for every copy of the release.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import write_json
from .signature import NO_TRUST, Trust, check_bytes
from .signing import Signer

NOTICE = "WITHDRAWN.json"
FORMAT = "unpersonal-withdrawal"
MOST_BYTES, LONGEST = 2**22, 2000
"""Bytes of a notice, and characters of a reason."""
_NAME = re.compile(r"WITHDRAWN(-[0-9a-f]{12})?\.json")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Notice:
    """What a notice says, by whose signature: of which release, and why."""

    path: Path
    manifest_sha256: str
    reason: str
    signature: dict[str, Any] | None = None

    @property
    def content(self) -> dict[str, Any]:
        """All of it but the signature, which is over its JSON."""
        release = {"manifest_sha256": self.manifest_sha256}
        return {"format": FORMAT, "format_version": "1", "release": release, "reason": self.reason}

    def to_bytes(self) -> bytes:
        """What is signed: sorted keys, no spaces, UTF-8."""
        return json.dumps(self.content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")

    def told(self, trust: Trust = NO_TRUST) -> str:
        """The notice in a sentence. Whoever may have written it, it is heeded: a forged one costs a question."""
        if self.signature is None:
            signed = "it is not signed"
        elif not trust.given:
            signed = "it is signed; no key was given to check that"
        else:
            wrong = check_bytes(self.to_bytes(), NOTICE, self.signature, trust)
            signed = f"its signature is invalid: {wrong}" if wrong else "its signature is valid"
        return f"{self.path.name}: this release was withdrawn: {self.reason} ({signed})"


def read_notice(path: Path) -> Notice:
    """The notice at `path`; what is none is an `InputError`."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT or values["format_version"] != "1":
            raise ValueError
        digest, reason, signature = values["release"]["manifest_sha256"], values["reason"], values.get("signature")
        if not (_HASH.fullmatch(digest) and isinstance(reason, str) and reason.isprintable()):
            raise ValueError
        if signature is not None and not isinstance(signature, dict):
            raise ValueError
    except OSError as error:
        raise InputError(
            f"The notice cannot be read ({error.strerror})", where=str(path), how="correct the path"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError("This is no notice of a withdrawal", where=str(path), how="get it anew") from None
    return Notice(path, digest, reason, signature)


def notices_in(folder: Path) -> list[Path]:
    """Files that are called like notices, in one folder."""
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_file())
    except OSError:
        return []


def notices_of(manifest_sha256: str, places: list[Path], notice: Path | None = None) -> tuple[list[Notice], list[str]]:
    """The notices of one release among what lies in the folders `places` and at `notice`, and files that are broken.

    A notice that was given and cannot be read is an `InputError`; one of another release is of no concern.
    """
    found, broken = [], []
    for path in dict.fromkeys(path for place in places for path in notices_in(place)):
        try:
            found.append(read_notice(path))
        except InputError as error:
            broken.append(f"{path.name}: {error.what}")
    if notice is not None:
        found.append(read_notice(notice))
    return [each for each in found if each.manifest_sha256 == manifest_sha256], broken


def write_notice(folder: Path, manifest_sha256: str, reason: str, signer: Signer | None) -> Path:
    """Write the notice of a release into `folder`, and return its path.

    The same notice again changes nothing; another one of the same release, or an empty reason, is an `InputError`.
    """
    reason = " ".join(reason.split())
    if not reason or not reason.isprintable() or len(reason) > LONGEST:
        how = f"say in 1 to {LONGEST} characters why nobody should use the release"
        raise InputError("A withdrawal has a reason", where="--reason", how=how)
    found, broken = notices_of(manifest_sha256, [folder])
    if broken:
        raise InputError(broken[0], where=str(folder), how="take the broken notice away")
    for each in found:
        if each.reason == reason and (signer is None or each.signature is not None):
            return each.path
        raise InputError(
            "There is a notice of this release already, with another reason or without a signature",
            where=str(each.path),
            how="keep it, or delete it and withdraw again",
        )
    path = folder / NOTICE
    if path.exists():
        path = folder / f"WITHDRAWN-{manifest_sha256[:12]}.json"
    notice = Notice(path, manifest_sha256, reason)
    values = notice.content
    if signer is not None:
        values["signature"] = signer.sign_bytes(notice.to_bytes(), NOTICE)
    write_json(path, values)
    return path
