"""The audit of a procedure by two of its synthetic data sets: folders and zips in, audit.json and report.md out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from ..cohort.soft_labels import SoftLabels
from ..core.errors import InputError
from ..core.hashing import hash_json
from .config import AuditConfig
from .control import leave_out_shared
from .folders import (
    RELEASED,
    SIDE,
    UNLABELLED,
    Given,
    check_options,
    config_of,
    finish,
    given_by,
    ledger_for,
    people_of,
)
from .images import check_images
from .profiles import PROFILES, Profile
from .recording import record
from .resolution import Reading
from .swap import SwapResult, SwapSide, audit_swap


def audit_swap_folders(
    halves: tuple[Path, Path],
    releases: tuple[Path, Path],
    auxiliary: Path,
    subject: str | None,
    out: Path,
    *,
    seed: int = 0,
    size: int = SIDE,
    config: AuditConfig | None = None,
    profile: Profile = PROFILES["open"],
    ledger: Path | None = None,
) -> SwapResult:
    """Audit two releases, each made from one of two halves of the people, as one procedure (see `swap`).

    The halves must have been drawn by chance, and the auditor's own people are in neither. All else is as in
    `audit_folders`.
    """
    check_options(subject, size, out, (*halves, *releases, auxiliary))
    given = [
        given_by(
            {"train": halves[0], "control": halves[1], RELEASED: release, "auxiliary": auxiliary}, subject, size, seed
        )
        for release in releases
    ]
    if any(len(given[0].sets[name]) != len(given[1].sets[name]) for name in given[0].sets):
        raise InputError(
            "The two synthetic sets are of different forms, so that people would be compared with them in two ways",
            where=f"--swap {releases[1]}",
            how="give both in the same size and with the same edges",
        )
    sets, excluded, untold = leave_out_shared(given[0].sets)
    network, certify = sets["auxiliary"].halves(seed, "audit")
    for each in given:
        check_images({**sets, "auxiliary (network)": network, "auxiliary": certify}, each.released)
    people = people_of(given[0], "train", "control")
    recording = record(
        ledger_for(out, ledger, people),
        config or config_of(size),
        people=people,
        release=hash_json([each.release for each in given]),
        seed=seed,
        policy=[asdict(profile), size, "swap", given[0].contents],
    )
    result = audit_swap(
        SwapSide(sets["train"], given[0].released, given[0].pictures, soft=_soft(given[0])),
        SwapSide(sets["control"], given[1].released, given[1].pictures, soft=_soft(given[1])),
        certify,
        network,
        config=recording.config,
        seed=seed,
        profile=profile,
        shortfalls=_both(given, "shortfalls"),
        notes=(UNLABELLED, *_both(given, "notes")),
        reading=_reading(given),
    )
    return replace(result, figures=finish(result.figures, recording, out, excluded=excluded, untold=untold))


def _soft(given: Given) -> SoftLabels | None:
    """Class probabilities of each square, where there are any."""
    return None if given.soft is None else given.soft.only(given.pictures)


def _reading(given: list[Given]) -> Reading:
    """How the sides were read, the second release among them."""
    first, second = (each.reading.sides or () for each in given)
    released = [replace(side, side=f"{RELEASED} (swap)") for side in second if side.side == RELEASED]
    return replace(given[0].reading, sides=(*first, *released))


def _both(given: list[Given], name: str) -> tuple[str, ...]:
    """What is said of either reading, once."""
    return tuple(dict.fromkeys(text for each in given for text in getattr(each, name)))
