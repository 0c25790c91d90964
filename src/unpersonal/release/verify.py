"""Checking a release folder: nothing changed, missing or added, and nothing in it that points at a person."""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..cohort.soft_labels import FILE
from ..core.errors import InputError, PolicyRefused
from ..core.hashing import sha256_file
from ..core.places import resolved
from ..core.words import plural
from ..images.picture import ImageError
from ..images.zip_slack import slack_bytes
from ..images.zips import ZipArchive
from .attempted import evidence_attempt_problems
from .claims import Claims, check_claims
from .compared import MANIFEST, Manifest, compare, content_hashes, load_manifest
from .counted import count_problems
from .evidence import evidence_problems
from .label_counts import label_count_problems
from .litter import is_left_behind, is_litter_folder
from .metadata import CROISSANT, METADATA, croissant_problems, metadata_problems
from .place import place_problems
from .png import png_problems, shape_problems
from .probabilities import probability_problems, unattacked_in_evidence
from .provenance import provenance_problems
from .signature import NO_TRUST, SignatureState, Trust, check_signature
from .strict_json import parse
from .withdrawal import notices_of

MOST_BYTES, LEFT_FREE = 2**30, 2**28
"""Bytes of one file of a zipped release, and of the temporary folder's disk that stay free."""
SHOWN = 5
_IMAGE_NAME = re.compile(r"images/img-[0-9]{6,9}\.png")


@dataclass(frozen=True)
class Verification:
    """What a release turned out to be: files `altered` since, rules `broken` by files that are as the manifest says,
    `claims` that its own evidence does not bear out, what is `below` the published profile that it names, `litter` that
    systems left behind, which says nothing of it, and what is `unchecked`, as a package that it takes is missing.

    Files and links `found` = `read` + `refused` + `litter`.
    """

    altered: tuple[str, ...]
    broken: tuple[str, ...]
    claims: tuple[str, ...]
    litter: tuple[str, ...]
    read: int
    refused: int
    unchecked: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    signature: SignatureState = "unsigned"
    """Whether it is signed by whom the recipient trusts; `not-checked` where nothing was given to check it by."""
    withdrawn: tuple[str, ...] = ()
    """What notices say that withdraw it; and notices beside it that cannot be read, of which nobody knows."""

    @property
    def found(self) -> int:
        """How many files and links there are."""
        return self.read + self.refused + len(self.litter)

    @property
    def account(self) -> dict[str, int]:
        """What became of every file and link."""
        return {"found": self.found, "read": self.read, "refused": self.refused, "ignored": len(self.litter)}

    @property
    def problems(self) -> list[str]:
        """All that is wrong."""
        return [*self.faults, *self.below]

    @property
    def faults(self) -> list[str]:
        """What is wrong by the release's own words, whatever a published profile asks; and that it was withdrawn."""
        return list(dict.fromkeys([*self.withdrawn, *self.altered, *self.broken, *self.claims]))

    @property
    def state(self) -> str:
        """One word: withdrawn, altered, not-as-claimed, broken, intact-with-litter or intact."""
        if self.withdrawn:
            return "withdrawn"
        if self.altered:
            return "altered"
        if self.claims:
            return "not-as-claimed"
        if self.broken:
            return "broken"
        return "not-as-claimed" if self.below else "intact-with-litter" if self.litter else "intact"

    def to_json(self) -> dict[str, Any]:
        """What `unpersonal verify --json` says of it, besides its place."""
        return {
            "state": self.state,
            **self.account,
            "problems": self.problems,
            "claims": [*self.claims, *self.below],
            "litter": list(self.litter),
            "signature": self.signature,
            "withdrawn": list(self.withdrawn),
            "unchecked": list(self.unchecked),
        }


def _image_problems(root: Path, names: set[str], manifest: Manifest) -> list[str]:
    problems = []
    for name in sorted(names):
        if name in (*manifest.required, FILE, MANIFEST):
            continue
        if not _IMAGE_NAME.fullmatch(name):
            problems.append(f"{name}: not a name that a release gives")
            continue
        found = png_problems(root / name, marked=manifest.marked, signed=manifest.signed)
        found += shape_problems(root / name, manifest.shape)
        problems += [f"{name}: {problem}" for problem in found]
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


def _evidence_problems(evidence: object, *, soft: bool) -> list[str]:
    attacked = unattacked_in_evidence(evidence) if soft else []
    return evidence_problems(evidence) + evidence_attempt_problems(evidence) + attacked


def check_release(path: Path, trust: Trust = NO_TRUST) -> Verification:
    """What the release at `path`, a folder or a zip of it, turned out to be.

    Found are: changed, missing and added files, links, names that lead outside or say something, PNG chunks other
    than pixels, lines of labels.csv that do not fit the images, class probabilities that do not fit labels.csv, do not
    sum to 1, or were not attacked by the audit, evidence with forbidden keys or cells under 5, or with a broken chain
    of attempts; an audit that did not pass, and figures above the limits that come with them. A folder without a
    readable manifest is an `InputError`: it is no release. No file is opened that the manifest names outside the
    folder, nor any that it does not list, save what looks like litter.
    """
    with open_release(path, trust) as (_, found):
        return found


@contextmanager
def open_release(path: Path, trust: Trust = NO_TRUST) -> Iterator[tuple[Path, Verification]]:
    """The folder of the release at `path`, unpacked for as long where it is a zip, and what it turned out to be.

    Errors as in `check_release`, and for files of `trust` that cannot check a signature.
    """
    root = Path(path)
    beside = [root.absolute().parent, resolved(root).parent]
    if not (root.is_file() and zipfile.is_zipfile(root)):
        yield root, _with_trust(_checked(root, trust), root, beside, trust)
        return
    archive = ZipArchive(root)
    with _unzipped(root, archive) as (folder, top):
        try:
            found = _with_unseen(_with_rest(_checked(folder / top, trust), folder, top), archive)
            found = _with_trust(found, folder / top, [folder, *beside], trust)
        except InputError as error:  # the temporary folder tells nobody anything
            raise InputError(error.what, where=error.where.replace(str(folder), str(root)), how=error.how) from None
        yield folder / top, found


def _checked(root: Path, trust: Trust) -> Verification:
    manifest = load_manifest(root)
    compared = compare(root, manifest)
    present = compared.safe
    broken = _image_problems(root, present, manifest)
    if "labels.csv" in present:
        broken += _labels_problems(root / "labels.csv", {name for name in present if name.startswith("images/")})
    soft, claims = FILE in present, Claims(())
    if soft:
        broken += probability_problems(root, manifest.probabilities)
    elif manifest.probabilities is not None:
        broken.append(f"{FILE}: missing (the manifest tells its classes)")
    if manifest.marked and METADATA in present:
        broken += metadata_problems(root, soft=soft)
    signed = sorted(name for name in present if name.startswith("images/")) if manifest.signed else []
    told = manifest.c2pa if manifest.signed else None
    problems, unchecked = provenance_problems(root, signed, told, trust.anchors)
    broken += problems
    if manifest.marked and CROISSANT in present:
        broken += croissant_problems(root / CROISSANT, manifest.files)
    broken += count_problems(root, present, manifest.images, manifest.shape)
    if "evidence.json" in present:
        try:
            evidence = parse((root / "evidence.json").read_text(encoding="utf-8"))
        except ValueError as error:
            broken.append(f"evidence.json: {error}")
        else:
            broken += _evidence_problems(evidence, soft=soft) + place_problems(manifest.history, evidence)
            if "labels.csv" in present:
                broken += label_count_problems(root / "labels.csv", evidence)
            claims = check_claims(evidence, manifest.images)
    return Verification(
        altered=tuple(compared.problems),
        broken=tuple(broken),
        claims=claims.own,
        litter=tuple(compared.litter),
        read=compared.read,
        refused=compared.refused,
        below=claims.published,
        unchecked=tuple(unchecked),
    )


def _with_rest(found: Verification, folder: Path, top: str) -> Verification:
    """What was found in the folder `top` of an unpacked zip, and what lies beside that folder."""
    beside = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    notices, _ = notices_of(sha256_file(folder / top / MANIFEST), [folder])
    known = {each.path.name for each in notices}
    beside = [name for name in beside if top != "." and PurePosixPath(name).parts[0] != top and name not in known]
    hashes = content_hashes(load_manifest(folder / top).files)
    litter = tuple(name for name in beside if is_left_behind(folder, name, hashes))
    added = tuple(f"{name}: added (beside the release in the zip)" for name in beside if name not in litter)
    empty = (
        path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_dir() and not any(path.iterdir())
    )
    bare = [name.as_posix() for name in empty if name.parts[0] != top and not is_litter_folder(name.as_posix())]
    folders = [f"{name}: an unexpected folder (beside the release in the zip)" for name in bare if top != "."]
    return replace(
        found,
        altered=(*found.altered, *added, *folders),
        litter=(*found.litter, *litter),
        refused=found.refused + len(added),
    )


def _with_unseen(found: Verification, archive: ZipArchive) -> Verification:
    """What was found, and whether the zip says something outside of its files, which nobody sees who unpacks it."""
    told, altered = archive.comments(), list(found.altered)
    if told:
        altered.append(f"{plural(len(told), 'comment')} in the zip: none belongs there")
    if slack := slack_bytes(archive.root):
        altered.append(f"{plural(slack, 'byte')} of the zip belong to none of its files: make the archive anew")
    return replace(found, altered=tuple(altered))


def _with_trust(found: Verification, root: Path, beside: list[Path], trust: Trust) -> Verification:
    """What was found, whose signature the release at `root` has, and whether a notice withdraws it."""
    manifest = load_manifest(root)
    signature = check_signature(root, manifest.signature, set(manifest.files), trust)
    notices, broken = notices_of(sha256_file(root / MANIFEST), [root, *beside], trust.notice)
    return replace(
        found,
        altered=(*found.altered, *signature.problems),
        signature=signature.state,
        withdrawn=(*(notice.told(trust) for notice in notices), *broken),
    )


@contextmanager
def _unzipped(path: Path, archive: ZipArchive) -> Iterator[tuple[Path, str]]:
    """What a zip holds in a temporary folder, and where in it the release lies: `.`, or a folder of the zip."""
    names = [name for name in archive.names() if PurePosixPath(name).name == MANIFEST and name.count("/") <= 1]
    if not names:
        how = f"name the folder, or the zip, that holds {MANIFEST}, at most one folder deep"
        if inner := [name for name in archive.names() if PurePosixPath(name).suffix.lower() == ".zip"]:
            how = f"unpack it, and name the zip that lies in it ({', '.join(inner[:2])}{', …' * (len(inner) > 2)})"
        raise InputError("There is no release here", where=str(path), how=how)
    if len(names) > 1 and MANIFEST not in names:
        what = f"The zip holds {len(names)} releases ({', '.join(names[:2])}{', …' if len(names) > 2 else ''})"
        raise InputError(what, where=str(path), how="unpack it, and name the folder of each")
    top = PurePosixPath(names[0]).parent.as_posix() if len(names) == 1 else "."
    with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
        _make_folders(Path(folder), archive, str(path))
        for name in archive.names():
            target = Path(folder) / name
            try:
                with open(target, "wb") as stream:
                    for piece in archive.pieces(name):
                        stream.write(piece)
                        if stream.tell() > MOST_BYTES or shutil.disk_usage(folder).free < LEFT_FREE:
                            raise InputError(f"{name} is too large to be unpacked", where=str(path), how="unpack it")
            except ImageError as error:
                raise InputError(
                    f"The zip cannot be unpacked ({name}: {error.detail})", where=str(path), how="unpack it yourself"
                ) from None
        yield Path(folder), top


def _make_folders(root: Path, archive: ZipArchive, where: str) -> None:
    """All folders of a zip, those in which nothing lies as well: their names say something."""
    above = (PurePosixPath(name).parent.as_posix() for name in archive.names())
    files = set(archive.names())
    for name in sorted({*archive.folders(), *above}):
        if clash := files & {name, *(parent.as_posix() for parent in PurePosixPath(name).parents)}:
            raise InputError(
                f"The zip holds {min(clash)!r} as a file and as a folder", where=where, how="make the archive anew"
            )
        (root / name).mkdir(parents=True, exist_ok=True)


def verify_release(path: Path) -> list[str]:
    """Every problem of the release at `path`; an empty list means it is whole and keeps the rules. See `check_release`.

    Litter is no problem.
    """
    return check_release(path).problems


def refuse_unless_whole(found: Verification, where: str) -> None:
    """Ends as `unpersonal verify` does where a release is not whole: 3 (`PolicyRefused`) for one that was withdrawn and
    for what its own evidence does not bear out, 2 (`InputError`) for all else.
    """
    if found.withdrawn:
        raise PolicyRefused(found.problems, "the release was withdrawn by its publisher: nobody should use it")
    if found.state == "not-as-claimed":
        what = "its evidence refuses it" if found.claims else "its limits are looser than those of its profile"
        raise PolicyRefused([*found.claims, *found.below], f"the release is not what it claims to be: {what}")
    if found.problems:
        raise InputError(
            f"The release is not what its manifest says: {'; '.join(found.problems)}",
            where=where,
            how="discard it and ask its owner for the original",
        )


def signature_note(state: SignatureState) -> str:
    """A sentence on whose release it is."""
    return {
        "unsigned": "none; nothing shows who made this release",
        "not-checked": "there is one, and it was not checked: give --key or --certificate-chain of its publisher",
        "valid": "valid: every file is as its publisher signed it",
        "invalid": "invalid",
    }[state]


def litter_note(litter: tuple[str, ...]) -> str:
    """A sentence on what was left behind."""
    files = plural(len(litter), "file was", "files were")
    return f"{files} left there by a file manager, an editor or a network share: {', '.join(litter[:SHOWN])}"
