"""The swap inside a study: the verdict is that of the procedure, and people are searched for in the release itself.

Three generators were trained by one procedure: one of all train people, whose images are released, and one of each half
of them, which are held against each other. What an attacker reads off the release is bounded by what both halves give
away, since nothing but chance sets the people of a half apart; each person is one of fewer there, which speaks for a
leak and not against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort, load_cohort
from ..core.hashing import hash_json
from ..synthesis.selected import load_selected
from .colours import grey_views
from .config import AuditConfig
from .dropping import leak_claim
from .family import Family
from .figures import AuditFigures
from .game import base_rate
from .images import SubjectImages
from .notes import CANNOT_PASS
from .profiles import INFERENCE, Profile
from .recording import hash_of_images
from .resolution import Reading, with_form
from .result import told
from .rows import PrimaryRow
from .sham import exchange_shortfalls
from .swap import SwapSide, audit_swap
from .swap_joined import OF_FIRST, PROCEDURE
from .target import Target
from .unlabelled import TOO_FEW, worse_rows, worst
from .verdict import claim, undecided

if TYPE_CHECKING:
    import torch

    from .model import ModelAccess

IN_RELEASE = (
    "the released images were made by the same procedure from all of these people, and copied people were searched for"
    " in these images themselves"
)
OF_RELEASE = (
    "the procedure was audited by a swap: primary figures and the reasons of the verdict are of two generators of one"
    " half of the train people each; all rows of single attacks, copied people, the least leak, strata, planted copies,"
    " weights and tails are of the released images, held against people who did not train"
)
RELEASE = "the release itself"
NOTHING = "the generator of a half of the train people released no image, so that the procedure cannot be audited"
Kept = Sequence[tuple[Family, Target]]
"""What attacks gave in every game of the release."""


def careful(config: AuditConfig) -> AuditConfig:
    """The configuration of the games of the release beside a swap: half of the error is the swap's."""
    return config.model_copy(update={"confidence": (1.0 + config.confidence) / 2.0, "alpha": config.alpha / 2.0})


def hash_of_halves(halves: Sequence[Path]) -> str:
    """One hash of what the generators of the halves drew and were trained on."""
    drawn = [load_selected(half) for half in halves]
    soft = [each.soft.thousandths.tolist() for each in drawn if each.soft is not None]
    people = [sorted(set(own.subjects[own.rows("train")])) for own in map(load_cohort, halves)]
    return hash_json([people, [[hash_of_images(each.images), each.labels] for each in drawn], *soft])


def play_swap(
    study: Path,
    cohort: Cohort,
    labels: Sequence[Sequence[str]],
    halves: Sequence[Path],
    rows: Mapping[str, np.ndarray],
    *,
    config: AuditConfig,
    seed: int,
    profile: Profile,
    device: torch.device,
) -> AuditFigures | None:
    """The figures of the swap; None where a half has no image.

    `labels` are those of every row of the cohort; where some train people have none they are no part of the game.
    `rows` are those of `aux-weights` and `aux-network`.
    """
    images, train = load_images(study), cohort.rows("train")
    labelled = bool(np.isin(cohort.subjects[train], cohort.subjects[cohort.labelled]).all())

    def people(numbers: np.ndarray) -> SubjectImages:
        views, source = grey_views(np.array(images[numbers]))
        given = [list(labels[row]) for row in numbers[source]] if labelled else None
        return SubjectImages(views, cohort.subjects[numbers[source]], given)

    sides = []
    for half in halves:
        selected, own = load_selected(half), load_cohort(half)
        if not len(selected):
            return None
        released, pictures = grey_views(np.array(selected.images))
        sides.append(
            SwapSide(
                people(train[np.isin(cohort.subjects[train], own.subjects[own.rows("train")])]),
                released,
                pictures,
                [selected.labels[picture] for picture in pictures],
                None if selected.soft is None else selected.soft.only(pictures),
                _model(half, device) if config.model else None,
            )
        )
    return audit_swap(
        sides[0],
        sides[1],
        people(rows["aux-weights"]),
        people(rows["aux-network"]),
        config=config,
        seed=seed,
        profile=profile,
        reading=Reading(size=int(images.shape[-1]), colour=images.shape[1] == 3),
        drops=True,
    ).figures


def with_swap(
    release: AuditFigures, kept: Kept, swap: AuditFigures | None, config: AuditConfig, profile: Profile
) -> AuditFigures:
    """The figures of the games of the release, with verdict, claim and primary figures of the swap.

    What people who did not train cannot be compared by is settled by the swap; what is lacking in the attacks and in
    the search for copies is not, nor is a `fail` of the release.
    """
    failures = [f"{RELEASE}: {reason}" for reason in release.reasons] if release.verdict == "fail" else []
    # of people whom nobody labelled no label can be inferred: that figure is of the others, in the release
    own = [row for row in release.primary or () if row.name == INFERENCE and release.unlabelled is not None]
    lacking = [] if failures else [f"{RELEASE}: {reason}" for reason in _lacking(release, kept, own)]
    if swap is None:
        verdict = worst(release.verdict, "inconclusive")
        return replace(
            release, verdict=verdict, reasons=(*failures, *lacking, NOTHING), primary=(), advantage_upper=1.0
        )
    primary = worse_rows(told(swap.primary), own)
    verdict = worst(swap.verdict, "fail" if failures else "inconclusive" if lacking else "pass")
    notes = [note for note in release.notes if not note.endswith(CANNOT_PASS)]
    weight = max(told(release.weight), told(swap.weight))
    said = f"{claim(primary, weight, config.confidence, profile, model=config.model)};"
    said = with_form(f"{said} {leak_claim(told(release.detectable))}", release.reading)
    return replace(
        release,
        verdict=verdict,
        reasons=(*failures, *swap.reasons, *lacking),
        notes=(OF_RELEASE, *notes, *(f"swap: {note}" for note in swap.notes if note not in (OF_FIRST, *notes))),
        claim=f"{said}; {PROCEDURE}; {IN_RELEASE}",
        primary=primary,
        advantage_upper=swap.advantage_upper,
        weight=weight,
        base_rate=base_rate(told(release.side), weight),
        confidence=config.confidence,
        alpha=config.alpha,
        blind=tuple(sorted({*told(release.blind), *told(swap.blind)})),
        swap=swap.swap,
    )


def _lacking(release: AuditFigures, kept: Kept, own: Sequence[PrimaryRow]) -> list[str]:
    """Why nothing can pass, whatever the swap says: attacks that could not be run, copies that could go unseen."""
    found = [
        reason
        for family, target in kept
        for reason in family.shortfalls
        if reason not in exchange_shortfalls(target.exchanged)
    ]
    found += [reason for reason in release.reasons if reason == TOO_FEW]
    people = told(release.train_subjects)
    return [*dict.fromkeys(found), *(undecided(row, people) for row in own if row.outcome == "undecided")]


def _model(half: Path, device: torch.device) -> ModelAccess:
    from .model import load_access

    return load_access(half, device)
