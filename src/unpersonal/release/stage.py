"""The release stage: refuse, or write and verify."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..core.errors import PolicyRefused
from ..core.files import read_json
from ..synthesis.selected import Selected, load_released
from .attempted import attempt_reasons
from .bundle import write_release
from .config import ReleaseConfig
from .figures import ReleaseFigures, StudyFigures
from .policy import PolicyConfig, check
from .sign_off import unsigned_reason


def remove_release(study: Path) -> None:
    """Remove `study/release` and whatever an interrupted run left of one; a link is removed, never followed."""
    for path in [study / "release", *study.glob(".release.*.tmp")]:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)


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
        reasons += attempt_reasons(study, figures.audit)
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
    files = read_json(folder / "manifest.json")["files"]
    return ReleaseFigures(
        images=len(chosen),
        files=len(files) + 1,
        bytes=sum(entry["bytes"] for entry in files.values()),
        shortfalls=tuple(shortfalls),
    )
