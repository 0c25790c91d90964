"""A release beside its manifest: which files are as it says, which are not, and what else lies there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..cohort.soft_labels import FILE
from ..core.errors import InputError
from ..core.files import safe_join
from ..core.hashing import sha256_file
from .line_ends import BOM, KEPT, line_end_damage
from .litter import is_left_behind, is_litter_folder
from .signing import SIGNATURE
from .strict_json import parse
from .withdrawal import notices_of

MANIFEST = "manifest.json"
REQUIRED = ("labels.csv", "evidence.json", "README.md")
SINCE_VERSION_2 = ("metadata.csv", "croissant.json")
SLACK = 4096
"""A text with other line ends, or as UTF-16, has twice its bytes and these at most."""
POINTER = b"version https://git-lfs"
"""First bytes of what Git keeps in place of a large file that was not fetched."""
VERSIONS = ("1", "2")
"""Versions of the format that are read; each release is held to the rules of its own."""


@dataclass(frozen=True)
class Manifest:
    """What a manifest says, not yet believed: the number of images, name → size and hash, classes, format version,
    who signed the pictures, what is told of a signature beside it, and of the releases of this cohort before.
    """

    images: object
    files: dict[str, object]
    probabilities: object = None
    version: str = "1"
    c2pa: object = None
    signature: object = None
    history: object = None
    shape: object = None
    damaged: str = ""
    """What was done to its line ends, in words; nobody meant to change it."""

    @property
    def signed(self) -> bool:
        """Whether it says that its pictures are signed by C2PA, which those of version 1 never are."""
        return self.marked and self.c2pa is not None

    @property
    def marked(self) -> bool:
        """Whether its pictures are marked as synthetic: from version 2 on."""
        return self.version != "1"

    @property
    def required(self) -> tuple[str, ...]:
        """The files that a release of this version has beside its images."""
        return (*REQUIRED, *SINCE_VERSION_2) if self.marked else REQUIRED


@dataclass
class _Listing:
    """What lies in a release: plain files by name, whatever else with what is wrong with it, and litter."""

    names: set[str] = field(default_factory=set)
    odd: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)


def load_manifest(root: Path) -> Manifest:
    """The manifest of the release at `root`; a folder without a readable one is an `InputError`."""
    path = root / MANIFEST
    if not root.exists() and not root.is_symlink():
        raise InputError("There is no such file or folder", where=str(root), how="correct the path of the release")
    if not root.is_dir() or path.is_symlink() or not path.is_file():
        below = sorted(root.glob(f"*/{MANIFEST}")) if root.is_dir() else []
        how = f"name {below[0].parent}" if len(below) == 1 else f"name the folder, or the zip, that holds {MANIFEST}"
        if path.is_symlink() and path.is_file():
            # so are the files in a cache of a hub; what a link leads to may change behind whoever verified it
            how = "its files are links: copy what they lead to (cp -rL), and name the copy"
        raise InputError("There is no release here", where=str(root), how=how)
    raw = path.read_bytes()
    try:
        manifest = parse(raw.removeprefix(BOM).decode("utf-8"))
    except ValueError as error:
        what = f"There is no release here: broken manifest ({error})"
        raise InputError(what, where=str(path), how="get it anew") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise InputError("There is no release here: the manifest lists no files", where=str(path), how="get it anew")
    if manifest.get("format") != "unpersonal-release" or manifest.get("format_version") not in VERSIONS:
        told = f"{manifest.get('format')!r} {manifest.get('format_version')!r}"
        raise InputError(
            f"The release has an unknown format ({told}; known: 'unpersonal-release' {', '.join(VERSIONS)})",
            where=f"{path}: format_version",
            how="verify it with a newer version of unpersonal",
        )
    files = {str(name): entry for name, entry in manifest["files"].items()}
    return Manifest(
        manifest.get("images"),
        files,
        manifest.get("probabilities"),
        manifest["format_version"],
        manifest.get("c2pa"),
        manifest.get("signature"),
        manifest.get("history"),
        manifest.get("shape"),
        _damaged(raw),
    )


def _damaged(raw: bytes) -> str:
    marks = {"a byte order mark (BOM) was put before it": raw.startswith(BOM), "its line ends are CRLF": b"\r" in raw}
    return " and ".join(words for words, there in marks.items() if there)


def _walk(root: Path, listed: dict[str, object]) -> _Listing:
    """Everything below a release; what the manifest lists is no litter whatever its name."""
    found, hashes = _Listing(), content_hashes(listed)
    for folder, children, files in os.walk(root, followlinks=False):
        for name in [*children, *files]:
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                found.odd[relative] = "a link is not allowed"
            elif path.is_file():
                left = relative not in listed and is_left_behind(root, relative, hashes)
                found.litter.append(relative) if left else found.names.add(relative)
            elif not path.is_dir():
                found.odd[relative] = "not a plain file"
            elif relative != "images" and not is_litter_folder(relative):
                found.folders.append(relative)
    return found


def content_hashes(listed: Mapping[str, object]) -> set[str]:
    """Hex SHA-256 of all files that a manifest lists."""
    return {str(entry.get("sha256")) for entry in listed.values() if isinstance(entry, Mapping)}


def _is_safe(root: Path, name: str) -> bool:
    try:
        safe_join(root, name)
    except (InputError, OSError, ValueError, RuntimeError):  # a circle of links is the last before Python 3.13
        return False
    return PurePosixPath(name).as_posix() == name and name not in ("", ".")


def _file_problems(root: Path, name: str, entry: object) -> list[str]:
    size, digest = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    if not isinstance(size, int) or not isinstance(digest, str):
        return [f"{name}: the manifest has no hash and size for it"]
    path = root / name
    if path.stat().st_size == size and sha256_file(path) == digest:
        return []
    text = name in (*REQUIRED, *SINCE_VERSION_2, FILE)
    if text and path.stat().st_size <= 2 * size + SLACK and (damage := line_end_damage(path.read_bytes(), digest)):
        return [f"{name}: changed in its line ends alone: {damage}; {KEPT}"]
    with open(path, "rb") as stream:
        if stream.read(len(POINTER)) == POINTER:
            return [f"{name}: not there, but a pointer of Git LFS to it (`git lfs pull` fetches the file)"]
    return [f"{name}: changed (it does not match the manifest)"]


def _unlisted(root: Path, manifest: Manifest) -> set[str]:
    """Files that may lie in a release without being listed: the manifest, its signature, notices of its withdrawal."""
    notices, _ = notices_of(sha256_file(root / MANIFEST), [root])
    return {MANIFEST, *([] if manifest.signature is None else [SIGNATURE]), *(each.path.name for each in notices)}


@dataclass(frozen=True)
class Compared:
    """A folder beside its manifest: problems, names that are safe to open, litter, and files by what became of them."""

    problems: list[str]
    safe: set[str]
    litter: list[str]
    read: int
    refused: int


def compare(root: Path, manifest: Manifest) -> Compared:
    """Hold what lies below `root` against what its manifest lists; nothing outside is opened."""
    listed = manifest.files
    there = _walk(root, listed)
    safe = {name for name in listed if _is_safe(root, name)}
    problems = [f"{name}: {what}" for name, what in there.odd.items()]
    if manifest.damaged:
        problems.append(f"{MANIFEST}: changed in its line ends alone: {manifest.damaged}; {KEPT}")
    problems += [f"{name}: an unexpected folder" for name in there.folders]
    problems += [f"{name!r}: the manifest names a file outside the release" for name in sorted(set(listed) - safe)]
    problems += [f"{name}: missing" for name in sorted(safe - there.names)]
    added = sorted(there.names - set(listed) - _unlisted(root, manifest))
    problems += [f"{name}: added (not in the manifest)" for name in added]
    problems += [f"{name}: the manifest does not list it" for name in manifest.required if name not in listed]
    changed = 0
    for name in sorted(safe & there.names):
        wrong = _file_problems(root, name, listed[name])
        changed += bool(wrong)
        problems += wrong
    refused = changed + len(added) + len(there.odd)
    return Compared(
        problems, safe & there.names, sorted(there.litter), len(there.names) - changed - len(added), refused
    )
