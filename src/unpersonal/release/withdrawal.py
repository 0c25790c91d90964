"""Withdrawing a release: a notice that names it by the hash of its manifest, signed where there is a key.

A notice lies beside a release, in it, or anywhere else; what it says holds for every copy of the release. The same
images with another title, card or key have another manifest: the notice of a study names all that it published.
"""

from __future__ import annotations

import json
import os
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
_NAME = re.compile(r"withdrawn.*\.json", re.IGNORECASE | re.DOTALL)
"""Also what browsers, mail and file systems make of the name of a notice: `WITHDRAWN (1).json`, `withdrawn.json`."""
_OURS = re.compile(r"WITHDRAWN(-[0-9a-f]{12})?\.json")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Notice:
    """What a notice says, by whose signature: of which release, and why."""

    path: Path
    manifest_sha256: str
    reason: str
    signature: dict[str, Any] | None = None
    also: tuple[str, ...] = ()
    """Hashes of further manifests that were published around the same images and labels."""

    @property
    def manifests(self) -> frozenset[str]:
        """The hashes of all manifests that it withdraws."""
        return frozenset((self.manifest_sha256, *self.also))

    @property
    def content(self) -> dict[str, Any]:
        """All of it but the signature, which is over its JSON."""
        release: dict[str, Any] = {"manifest_sha256": self.manifest_sha256}
        if self.also:
            release["also_manifest_sha256"] = list(self.also)
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
        also = values["release"].get("also_manifest_sha256", [])
        if not isinstance(also, list) or not all(_HASH.fullmatch(each) for each in also):
            raise ValueError
        if not (_HASH.fullmatch(digest) and isinstance(reason, str) and reason.isprintable()):
            raise ValueError
        if signature is not None and not isinstance(signature, dict):
            raise ValueError
    except OSError as error:
        raise InputError(
            f"The notice cannot be read ({error.strerror})", where=str(path), how="correct the path"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError("This is no notice of a withdrawal", where=str(path), how="get it anew") from None
    return Notice(path, digest, reason, signature, tuple(also))


def _notices_in(folder: Path) -> list[Path]:
    """What is called like a notice in one folder, links that lead nowhere among it; `OSError` where nobody can tell."""
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and not os.path.isdir(path))
    except FileNotFoundError:
        return []


def _is_of_another_format(path: Path) -> bool:
    """Whether it is JSON that only happens to be called a little like a notice."""
    if _OURS.fullmatch(path.name):
        return False
    try:
        if path.stat().st_size > MOST_BYTES:
            return False
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return not isinstance(values, dict) or values.get("format") != FORMAT


def _read_all(places: list[Path]) -> tuple[list[Notice], list[str]]:
    """Every notice in the folders `places`, and what is wrong with those that nobody can read."""
    found, broken = [], []
    for place in {os.path.realpath(place): place for place in places}.values():
        try:
            paths = _notices_in(place)
        except OSError as error:
            broken.append(f"{place.name or place}: cannot be listed ({error.strerror}); a notice may lie there")
            continue
        for path in paths:
            # a pipe would never end
            if os.path.exists(path) and not os.path.isfile(path):
                broken.append(f"{path.name}: This is no notice of a withdrawal, nor a plain file")
            elif not _is_of_another_format(path):
                try:
                    found.append(read_notice(path))
                except InputError as error:
                    broken.append(f"{path.name}: {error.what}")
    return found, broken


def notices_of(manifest_sha256: str, places: list[Path], notice: Path | None = None) -> tuple[list[Notice], list[str]]:
    """The notices of one release among what lies in the folders `places` and at `notice`, and files that are broken.

    A notice that was given and cannot be read is an `InputError`; one of another release is of no concern.
    """
    found, broken = _read_all(places)
    if notice is not None:
        found.append(read_notice(notice))
    return [each for each in found if manifest_sha256 in each.manifests], broken


def write_notice(
    folder: Path, manifest_sha256: str, reason: str, signer: Signer | None, also: tuple[str, ...] = ()
) -> Path:
    """Write the notice of a release, and of the manifests `also` around its images, into `folder`; return its path.

    The same notice again changes nothing; another one of the same release, or an empty reason, is an `InputError`.
    One that names less of its manifests stays, and the new one lies beside it.
    """
    reason = " ".join(reason.split())
    if not reason or not reason.isprintable() or len(reason) > LONGEST:
        how = f"say in 1 to {LONGEST} characters why nobody should use the release"
        raise InputError("A withdrawal has a reason", where="--reason", how=how)
    manifests = frozenset((manifest_sha256, *also))
    found, broken = _read_all([folder])
    if broken:
        raise InputError(broken[0], where=str(folder), how="take the broken notice away")
    for each in found:
        if not manifests & each.manifests:
            continue
        if each.reason == reason and (signer is None or each.signature is not None):
            if manifests <= each.manifests:
                return each.path
            continue
        raise InputError(
            "There is a notice of this release already, with another reason or without a signature",
            where=str(each.path),
            how="keep it, or delete it and withdraw again",
        )
    path = folder / NOTICE
    if path.exists():
        path = folder / f"WITHDRAWN-{manifest_sha256[:12]}.json"
    notice = Notice(path, manifest_sha256, reason, also=also)
    values = notice.content
    if signer is not None:
        values["signature"] = signer.sign_bytes(notice.to_bytes(), NOTICE)
    write_json(path, values)
    return path
