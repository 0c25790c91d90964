"""Withdrawing the release of a study, or one that lies somewhere."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.hashing import sha256_file
from ..core.places import resolved, study_lock
from .compared import MANIFEST
from .history import History
from .signing import Signer
from .verify import open_release
from .withdrawal import Notice, read_notice, write_notice


def withdraw_release(release: Path, reason: str, signer: Signer | None) -> Notice:
    """Write a notice beside `release`, a folder or its zip; what is none is an `InputError`."""
    with open_release(release) as (root, _):
        digest = sha256_file(root / MANIFEST)
    return read_notice(write_notice(resolved(release).parent, digest, reason, signer))


def published_by(release: Path) -> tuple[Path, str] | None:
    """The study in whose folder `release` lies, a folder or its zip, and the hash of its manifest.

    None where no study is there, or its ledger does not know that manifest; an `InputError` where the ledger is broken.
    """
    parents = dict.fromkeys((release.absolute().parent, resolved(release).parent))
    for study in (each for each in parents if (each / "study.toml").is_file()):
        with open_release(release) as (root, _):
            digest = sha256_file(root / MANIFEST)
        if any(each.manifest_sha256 == digest for each in History(study).entries()):
            return study, digest
    return None


def withdraw_study(study: Path, reason: str, signer: Signer | None, manifest_sha256: str | None = None) -> Notice:
    """Withdraw the release of a study, or the last one that it published where none is there: a notice beside it.

    `manifest_sha256` names another one that it published. The notice names every manifest that was published around
    the same images and labels. The ledger of releases remembers it, so that the study does not publish the same images
    again. A study that never published, or of which a process is running, is an `InputError`.
    """
    with study_lock(study):
        history, manifest = History(study), study / "release" / MANIFEST
        published = [each.manifest_sha256 for each in history.entries() if each.event == "released"]
        if not published:
            how = "run the study, or name the folder of the release"
            raise InputError("This study has published nothing that is in its ledger", where=str(history.path), how=how)
        digest = manifest_sha256 or (sha256_file(manifest) if manifest.is_file() else published[-1])
        if digest not in published:
            how = "name the folder of the release, or restore it"
            raise InputError(
                "The release that lies here is not one that this study published", where=str(manifest), how=how
            )
        path = write_notice(study, digest, reason, signer, history.also_published(digest))
        notice = read_notice(path)
        history.withdraw(digest, notice.reason)
        return notice
