"""Checking a release folder: nothing changed, missing or added, and nothing in it that points at a person."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..cohort.soft_labels import FILE
from ..core.errors import InputError
from ..core.files import safe_join
from ..core.hashing import sha256_file
from .attempted import evidence_attempt_problems
from .evidence import evidence_problems
from .png import png_problems
from .probabilities import probability_problems, unattacked_in_evidence

MANIFEST = "manifest.json"
REQUIRED = ("labels.csv", "evidence.json", "README.md")
_IMAGE_NAME = re.compile(r"images/img-[0-9]{6,9}\.png")


@dataclass(frozen=True)
class Manifest:
    """What a manifest says, not yet believed: the number of images, name → size and hash, and classes."""

    images: object
    files: dict[str, object]
    probabilities: object = None


def _load_manifest(root: Path) -> Manifest:
    path = root / MANIFEST
    if not root.is_dir() or path.is_symlink() or not path.is_file():
        raise InputError("There is no release here", where=str(root), how=f"name the folder that holds {MANIFEST}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise InputError("There is no release here: broken manifest", where=str(path), how="get it anew") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise InputError("There is no release here: the manifest lists no files", where=str(path), how="get it anew")
    if manifest.get("format") != "unpersonal-release" or manifest.get("format_version") != "1":
        raise InputError("The release has an unknown format", where=str(path), how="use a newer version of unpersonal")
    files = {str(name): entry for name, entry in manifest["files"].items()}
    return Manifest(manifest.get("images"), files, manifest.get("probabilities"))


def _walk(root: Path) -> tuple[set[str], list[str]]:
    """(relative names of all plain files, problems with whatever is neither a file nor a folder)."""
    names: set[str] = set()
    problems: list[str] = []
    for folder, children, files in os.walk(root, followlinks=False):
        for name in [*children, *files]:
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                problems.append(f"{relative}: a link is not allowed")
            elif path.is_file():
                names.add(relative)
            elif not path.is_dir():
                problems.append(f"{relative}: not a plain file")
            elif relative != "images":
                problems.append(f"{relative}: an unexpected folder")
    return names, problems


def _is_safe(root: Path, name: str) -> bool:
    try:
        safe_join(root, name)
    except (InputError, OSError, ValueError):
        return False
    return PurePosixPath(name).as_posix() == name and name not in ("", ".")


def _file_problems(root: Path, name: str, entry: object) -> list[str]:
    size, digest = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    if not isinstance(size, int) or not isinstance(digest, str):
        return [f"{name}: the manifest has no hash and size for it"]
    path = root / name
    if path.stat().st_size != size or sha256_file(path) != digest:
        return [f"{name}: changed (it does not match the manifest)"]
    return []


def _listing_problems(root: Path, listed: dict[str, object]) -> tuple[list[str], set[str]]:
    """Compare the manifest's list with the folder; returns the problems and the names that are safe to open."""
    present, problems = _walk(root)
    safe = {name for name in listed if _is_safe(root, name)}
    problems += [f"{name!r}: the manifest names a file outside the release" for name in sorted(set(listed) - safe)]
    problems += [f"{name}: missing" for name in sorted(safe - present)]
    problems += [f"{name}: added (not in the manifest)" for name in sorted(present - set(listed) - {MANIFEST})]
    problems += [f"{name}: the manifest does not list it" for name in REQUIRED if name not in listed]
    for name in sorted(safe & present):
        problems += _file_problems(root, name, listed[name])
    return problems, safe & present


def _image_problems(root: Path, names: set[str], manifest: Manifest) -> list[str]:
    problems = []
    for name in sorted(names):
        if name in (*REQUIRED, FILE, MANIFEST):
            continue
        if not _IMAGE_NAME.fullmatch(name):
            problems.append(f"{name}: not a name that a release gives")
            continue
        problems += [f"{name}: {problem}" for problem in png_problems(root / name)]
    count = sum(1 for name in manifest.files if name.startswith("images/"))
    if manifest.images != count:
        problems.append(f"{MANIFEST}: says {manifest.images!r} images and lists {count}")
    return problems


def _labels_problems(path: Path, images: set[str]) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return ["labels.csv: not a table"]
    if not rows or rows[0] != ["file", "label"]:
        return ["labels.csv: the first line must be file,label"]
    if any(len(row) != 2 for row in rows):
        return ["labels.csv: every line must have a file and a label"]
    named = [f"images/{row[0]}" for row in rows[1:]]
    problems = []
    if len(set(named)) != len(named):
        problems.append("labels.csv: a file is named twice")
    if count := len(images - set(named)):
        problems.append(f"labels.csv: {count} images have no line")
    if count := len(set(named) - images):
        problems.append(f"labels.csv: {count} lines name no image")
    return problems


def _evidence_file_problems(path: Path, *, soft: bool) -> list[str]:
    try:
        evidence = json.loads(path.read_text(encoding="utf-8"))
        attacked = unattacked_in_evidence(evidence) if soft else []
        return evidence_problems(evidence) + evidence_attempt_problems(evidence) + attacked
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return ["evidence.json: not JSON"]


def verify_release(path: Path) -> list[str]:
    """Every problem of the release folder at `path`; an empty list means it is whole and keeps the rules.

    Found are: changed, missing and added files, links, names that lead outside or say something, PNG chunks other
    than pixels, lines of labels.csv that do not fit the images, class probabilities that do not fit labels.csv, do not
    sum to 1, or were not attacked by the audit, evidence with forbidden keys or cells under 5, or with a broken chain
    of attempts. A folder without a readable manifest is an `InputError`: it is no release. No file is
    opened that the manifest names outside the folder.
    """
    root = Path(path)
    manifest = _load_manifest(root)
    problems, present = _listing_problems(root, manifest.files)
    problems += _image_problems(root, present, manifest)
    if "labels.csv" in present:
        problems += _labels_problems(root / "labels.csv", {name for name in present if name.startswith("images/")})
    soft = FILE in present
    if soft:
        problems += probability_problems(root, manifest.probabilities)
    elif manifest.probabilities is not None:
        problems.append(f"{FILE}: missing (the manifest tells its classes)")
    if "evidence.json" in present:
        problems += _evidence_file_problems(root / "evidence.json", soft=soft)
    return problems
