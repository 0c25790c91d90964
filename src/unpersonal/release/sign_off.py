"""Who took responsibility for what: an append-only ledger of sign-offs, each of one hash.

The hash stands for all that a release would be made of: what every stage wrote and found, the policy, and through the
audit what was dropped and removed. Whatever changes later has another hash, which nobody has signed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..core.chained import Chained, Entry
from ..core.errors import InputError
from ..core.hashing import hash_json
from ..core.records import StageRecord
from .config import ReleaseConfig
from .evidence import aggregates_only
from .figures import SignedOff
from .policy import PolicyConfig

LEDGER = "sign-off.jsonl"
AFTER = ("release", "report")
"""Stages that a sign-off is not about: they make the release."""
LONGEST = {"name": 200, "role": 80, "note": 2000}
"""Characters of what is said in a sign-off."""


def sign_off_ledger(study: Path) -> Chained:
    """The ledger of a study's sign-offs; it need not exist."""
    return Chained(study / LEDGER, "sign-offs")


def read_sign_offs(study: Path) -> tuple[Entry, ...]:
    """All sign-offs of a study, first to last; a damaged ledger is an `InputError`."""
    ledger = sign_off_ledger(study)
    lines = ledger.read()
    entries = tuple(entry for entry in lines.entries if entry.get("event") != "mended")
    for entry in entries:
        if not all(isinstance(entry.get(key), str) for key in ("name", "role", "note", "signed", "at")):
            raise InputError(
                "The ledger of sign-offs has a line that no sign-off writes",
                where=str(ledger.path),
                how="restore it from a backup, or move it away and sign off again",
            )
    return entries


def signed_hash(records: Mapping[str, StageRecord], policy: PolicyConfig, told: ReleaseConfig) -> str:
    """Hash of what a release would be made of and what its publisher says; not of whether a sign-off is required."""
    made = {
        name: [record.output_hash, record.figures, record.plugins]
        for name, record in records.items()
        if name not in AFTER
    }
    return hash_json([made, policy.model_dump(mode="json", exclude={"sign_off"}), told.model_dump(mode="json")])


def signed_off(
    study: Path, records: Mapping[str, StageRecord], policy: PolicyConfig, told: ReleaseConfig
) -> SignedOff | None:
    """The last sign-off of what a release would be made of now; None where nobody signed that."""
    if not (entries := read_sign_offs(study)):
        return None
    signed = signed_hash(records, policy, told)
    roles = [entry["role"] for entry in entries if entry["signed"] == signed]
    return SignedOff(role=roles[-1], hash=signed) if roles else None


def add_sign_off(study: Path, signed: str, *, name: str, role: str, note: str = "") -> Entry:
    """Record that somebody takes responsibility for what has the hash `signed`; a wrong text is an `InputError`."""
    said = {"name": _line(name, "name"), "role": _line(role, "role"), "note": _line(note, "note", empty=True)}
    if _is_named(said["name"], said["role"]) or "@" in said["role"] or aggregates_only(said["role"]) is None:
        raise InputError(
            "The role goes into the release's evidence, and this one names a person or a file",
            where="--role",
            how='name an office, such as "data protection officer"',
        )
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with sign_off_ledger(study).open() as ledger:
        return ledger.add({"event": "signed", "signed": signed, "at": at, **said})


def _is_named(name: str, role: str) -> bool:
    """Whether a role tells a name: one of its words, or all of them written together, in either order.

    Words of one or two letters stand for nobody (`de`), save where the name has no others, or they are not ASCII. What
    is written without upper and lower case (王伟) is often written without spaces too.
    """
    words, told = _words(name), _words(role)
    together = "".join(told)
    long = [word for word in words if len(word) > 2 or not word.isascii()] or words
    uncased = [word for word in long if len(word) > 1 and not word.isascii() and word.upper() == word]
    whole = [text for text in ("".join(words), "".join(reversed(words))) if len(text) > 3 or not text.isascii()]
    return bool(set(long) & set(told)) or any(text and text in together for text in (*whole, *uncased))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _line(text: str, what: str, *, empty: bool = False) -> str:
    """A text of one line, without blanks around it."""
    found = text.strip()
    wrong = ""
    if not found and not empty:
        wrong = "is empty"
    elif len(found) > LONGEST[what]:
        wrong = f"has {len(found):,} characters, and {LONGEST[what]:,} are allowed"
    elif not found.isprintable():
        wrong = "has line breaks or characters that cannot be printed"
    if wrong:
        raise InputError(f"The {what} {wrong}", where=f"--{what}", how="give one line of text")
    return found


def sign_off_statement(signed: SignedOff | None) -> str:
    """Whether a release was signed off, in words that name nobody."""
    if signed is None:
        return "Nobody has signed off these images."
    return (
        f"Signed off by: {signed.role}. The signature is of the hash {signed.hash}, which stands for the figures, the "
        "selection of images and the policy."
    )


def unsigned_reason(policy: PolicyConfig, signed: object) -> list[str]:
    """Why a release must wait for a sign-off; empty where the policy asks for none, or somebody signed."""
    if not policy.sign_off or signed is not None:
        return []
    return [
        "policy.sign_off is true, and nobody has signed off what would be released: read report.html and private.html, "
        "give `unpersonal sign-off STUDY --name … --role …`, then the same command again"
    ]


def sign_off_problems(evidence: Mapping[str, Any]) -> list[str]:
    """Why the evidence of a release whose policy asks for a sign-off does not show one."""
    policy, told = evidence.get("policy"), evidence.get("sign_off")
    required = isinstance(policy, Mapping) and policy.get("sign_off") is True
    if told is None and not required:
        return []
    digest, role = (told.get("hash"), told.get("role")) if isinstance(told, Mapping) else (None, None)
    whole = isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    if whole and isinstance(role, str) and role:
        return []
    return ["evidence.json: its policy asks for a sign-off, or tells of one, and none of a hash by a role is there"]
