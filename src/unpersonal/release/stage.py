"""The release stage: refuse, or write and verify."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from ..core.errors import InputError, PolicyRefused
from ..core.files import read_json
from ..synthesis.selected import Selected, load_released
from .attempted import attempt_reasons
from .bundle import write_release
from .config import ReleaseConfig
from .figures import ReleaseFigures, StudyFigures
from .history import PUBLISHED, History
from .place import Place
from .policy import PolicyConfig, check
from .sign_off import unsigned_reason


def remove_release(study: Path) -> None:
    """Remove `study/release` and whatever an interrupted run left of one; a link is removed, never followed."""
    for path in [study / "release", *study.glob(".release.*.tmp")]:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)


def history_reasons(study: Path) -> list[str]:
    """Why the ledger of the cohort's releases refuses one more: it is broken."""
    try:
        History(study).entries()
    except InputError as error:
        return [f"{PUBLISHED}: {error.what}. To mend it: {error.how}"]
    return []


def known_releases(study: Path, figures: ReleaseFigures | None) -> int:
    """How many releases the record of the stage, and the release that is there, tell of."""
    found = [figures.place.number] if figures is not None and figures.place is not None else [0]
    # none is there, or it is of before releases were counted
    with suppress(InputError, KeyError, TypeError, ValueError):
        found.append(int(read_json(study / "release" / "manifest.json")["history"]["releases"]))
    return max(found)


def run_stage(
    study: Path,
    *,
    policy: PolicyConfig,
    seed: int,
    figures: StudyFigures,
    selected: Selected | None = None,
    told: ReleaseConfig | None = None,
) -> ReleaseFigures:
    """Write `study/release/` if `policy` allows it by `figures`; `PolicyRefused` if not.

    Whatever goes wrong, no release stays behind, not even an older one. `selected` defaults to the
    synthesis's images without those that the audit dropped; `told` is what its publisher says of it.
    """
    try:
        reasons, shortfalls = check(policy, figures)
        reasons += attempt_reasons(study, figures.audit) + history_reasons(study)
        if reasons:
            raise PolicyRefused(reasons)
        if waits := unsigned_reason(policy, figures.signed):
            raise PolicyRefused(waits, "the release waits for a sign-off")
        chosen = load_released(study) if selected is None else selected
        remove_release(study)
        folder = write_release(study, chosen, figures, policy, shortfalls, seed=seed, told=told)
    except BaseException:
        remove_release(study)
        raise
    manifest = read_json(folder / "manifest.json")
    files, history = manifest["files"], manifest["history"]
    return ReleaseFigures(
        images=len(chosen),
        files=len(files) + (2 if "signature" in manifest else 1),
        bytes=sum(entry["bytes"] for entry in files.values()),
        shortfalls=tuple(shortfalls),
        place=Place(number=int(history["releases"]), predecessor=history.get("predecessor")),
    )
