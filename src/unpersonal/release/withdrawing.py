"""Withdrawing the release of a study, or one that lies somewhere."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.hashing import sha256_file
from ..core.places import study_lock
from .compared import MANIFEST
from .history import History
from .signing import Signer
from .verify import open_release
from .withdrawal import Notice, read_notice, write_notice


def withdraw_release(release: Path, reason: str, signer: Signer | None) -> Notice:
    """Write a notice beside `release`, a folder or its zip; what is none is an `InputError`."""
    with open_release(release) as (root, _):
        digest = sha256_file(root / MANIFEST)
    return read_notice(write_notice(release.resolve().parent, digest, reason, signer))


def withdraw_study(study: Path, reason: str, signer: Signer | None) -> Notice:
    """Withdraw the release of a study, or the last one that it published where none is there: a notice beside it.

    The ledger of releases remembers it, so that the study does not publish the same images again. A study that never
    published, or of which a process is running, is an `InputError`.
    """
    with study_lock(study):
        history, manifest = History(study), study / "release" / MANIFEST
        published = [each.manifest_sha256 for each in history.entries() if each.event == "released"]
        if not published:
            how = "run the study, or name the folder of the release"
            raise InputError("This study has published nothing that is in its ledger", where=str(history.path), how=how)
        digest = sha256_file(manifest) if manifest.is_file() else published[-1]
        if digest not in published:
            how = "name the folder of the release, or restore it"
            raise InputError(
                "The release that lies here is not one that this study published", where=str(manifest), how=how
            )
        path = write_notice(study, digest, reason, signer)
        notice = read_notice(path)
        history.withdraw(digest, notice.reason)
        return notice
