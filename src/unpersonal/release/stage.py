"""The release stage: refuse, or write and verify."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.errors import InputError, PolicyRefused
from ..core.files import read_json
from ..synthesis.selected import Selected, load_selected
from .bundle import write_release
from .evidence import COMPLEMENT, SMALLEST_CELL
from .policy import PolicyConfig, check, is_number
from .pretrained import pretrained_evidence

EVIDENCE_ROOMS = ("cohort", "synthesis", "gate", "audit", "utility", "metrics")
"""Parts of the summary that may appear in evidence.json, still reduced to aggregates when written."""
DIFFUSION = (
    *(f"{name}_{what}" for name in ("denoiser", "guide") for what in ("memorised", "ended_early")),
    *(f"denoiser_{what}" for what in ("train_error", "held_out_error", "gap")),
    *(f"denoiser_match_rate{bound}" for bound in ("", "_lower", "_upper")),
    "horizontal_flip",
)
"""Figures of the diffusion stage that tell whether its model memorised, and whether it also saw mirrored images."""
SETTINGS = ("guide", "horizontal_flip")
"""Settings of the diffusion stage that the policy asks for where there is no such figure."""
START = ("sha256", "share", "known_people", "note")
"""What is told of the weights that the model started from: not the name of their file, which may name anything."""


def remove_release(study: Path) -> None:
    """Remove `study/release` and whatever an interrupted run left of one; a link is removed, never followed."""
    for path in [study / "release", *study.glob(".release.*.tmp")]:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)


def build_evidence(figures: Mapping[str, Any], policy: PolicyConfig, shortfalls: list[str]) -> dict[str, Any]:
    """What evidence.json says before suppression: figures of `EVIDENCE_ROOMS`, limits, shortfalls.

    Of the diffusion stage only whether its model memorised or saw mirrored images, and what it started from; of the
    stages `encode` and `features` only what was pretrained.
    """
    evidence: dict[str, Any] = {room: figures[room] for room in EVIDENCE_ROOMS if room in figures}
    evidence |= pretrained_evidence(figures)
    if isinstance(diffusion := figures.get("diffusion"), Mapping):
        evidence["diffusion"] = _diffusion(diffusion)
    synthesis = evidence.get("synthesis")
    if isinstance(synthesis, Mapping):
        sources, released = synthesis.get("sources"), synthesis.get("released")
        # everybody can count the released images, so a small difference would tell the small cell
        if is_number(sources) and is_number(released) and 0 <= sources - released < SMALLEST_CELL:
            evidence["synthesis"] = {**synthesis, "sources": COMPLEMENT}
        predicted = synthesis.get("released_with_predicted_labels")
        # the total is public, so a small rest would be told by subtraction
        if is_number(predicted) and is_number(released) and 0 < released - predicted < SMALLEST_CELL:
            evidence["synthesis"] = {**evidence["synthesis"], "released_with_predicted_labels": COMPLEMENT}
    cohort = evidence.get("cohort")
    if isinstance(cohort, Mapping):
        read, kept = cohort.get("read"), cohort.get("images")
        if is_number(read) and is_number(kept) and 0 <= read - kept < SMALLEST_CELL:
            evidence["cohort"] = {**cohort, "read": COMPLEMENT}
    limits = {name: float(value) for name, value in policy.model_dump().items()}
    return {**evidence, "policy": limits, "shortfalls": list(shortfalls)}


def _diffusion(figures: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {name: figures[name] for name in DIFFUSION if name in figures}
    start = figures.get("start")
    if start is None:
        return told
    facts = start if isinstance(start, Mapping) else {}
    return {**told, "start": {name: facts.get(name) for name in START}}


def with_settings(study: Path, figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """`figures` and, of the diffusion stage, those of `SETTINGS` that its record says it ran with.

    A figure comes before a setting. Where the record is missing or broken nothing is added: the policy refuses then.
    """
    diffusion = figures.get("diffusion")
    values: Any = None
    with suppress(InputError, OSError, ValueError, RecursionError):
        values = read_json(study / "models" / "diffusion" / "stage.json")
    for name in ("config", "diffusion"):
        values = values.get(name) if isinstance(values, Mapping) else None
    if not isinstance(diffusion, Mapping) or not isinstance(values, Mapping):
        return figures
    return {**figures, "diffusion": {**{name: values[name] for name in SETTINGS if name in values}, **diffusion}}


def run_stage(
    study: Path,
    *,
    policy: PolicyConfig,
    seed: int,
    figures: Mapping[str, Any],
    selected: Selected | None = None,
) -> dict[str, Any]:
    """Write `study/release/` if `policy` allows it by `figures` (form of summary.json); `PolicyRefused` if not.

    What is no figure, and the policy asks for, is taken from the record of the diffusion stage (`with_settings`).

    Whatever goes wrong, no release stays behind, not even an older one. `selected` defaults to the synthesis's
    images. Returns the number of images and files, their size in bytes and the shortfalls to print.
    """
    try:
        figures = with_settings(study, figures)
        reasons, shortfalls = check(policy, figures)
        if reasons:
            raise PolicyRefused(reasons)
        chosen = load_selected(study) if selected is None else selected
        remove_release(study)
        folder = write_release(study, chosen, build_evidence(figures, policy, shortfalls), seed=seed)
    except BaseException:
        remove_release(study)
        raise
    files = read_json(folder / "manifest.json")["files"]
    return {
        "images": len(chosen),
        "files": len(files) + 1,
        "bytes": int(sum(entry["bytes"] for entry in files.values())),
        "shortfalls": shortfalls,
    }
