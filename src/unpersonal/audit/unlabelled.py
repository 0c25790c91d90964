"""Figures of train subjects whom nobody labelled, who are a game of their own, joined with those of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from .config import AuditConfig
from .figures import AuditFigures, LabelledFigures, UnlabelledFigures, Verdict
from .profiles import Profile
from .resolution import with_form
from .result import SMALLEST_CELL, masked, told
from .rows import Outcome, PrimaryRow
from .verdict import claim
from .weights import FEWEST

FEWEST_UNLABELLED = max(FEWEST, SMALLEST_CELL)
"""Below it no game is played: its figures would be those of a cell that is never told."""
UNLABELLED = "people whom nobody labelled"
TOO_FEW = (
    f"{UNLABELLED}: they are fewer than the {FEWEST_UNLABELLED} that a game needs, so nothing is known of them; leave"
    " their images out"
)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""From the best to the worst."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""From the best to the worst."""


def without_unlabelled(labelled: AuditFigures, count: int, config: AuditConfig, profile: Profile) -> AuditFigures:
    """Figures where the `count` train subjects whom nobody labelled are too few to play: inconclusive at best."""
    # the difference of two totals would tell how few they are
    own = replace(_summary(labelled), train_subjects=None)
    return replace(
        labelled,
        verdict=worst(labelled.verdict, "inconclusive"),
        reasons=(*labelled.reasons, TOO_FEW),
        advantage=None,
        advantage_upper=1.0,
        claim=claim((), told(labelled.weight), config.confidence, profile, model=config.model),
        primary=(),
        confidence=config.confidence,
        train_subjects=told(labelled.train_subjects) + count,
        labelled=own,
        unlabelled=UnlabelledFigures(train_subjects=masked(count), verdict="inconclusive"),
    )


def together(labelled: AuditFigures, unlabelled: AuditFigures, config: AuditConfig, profile: Profile) -> AuditFigures:
    """Figures of the game of labelled train subjects, with what holds of all train subjects in place of its own.

    Every primary figure is that of the group of whom more can be told. Each bound was made with half of the error, so
    that the larger one holds for a person of either group. The verdict is the worse of the two.
    """
    reasons = [*labelled.reasons, *(f"{UNLABELLED}: {reason}" for reason in unlabelled.reasons)]
    verdict = worst(labelled.verdict, unlabelled.verdict)
    primary = worse_rows(told(labelled.primary), told(unlabelled.primary))
    weight = max(told(labelled.weight), told(unlabelled.weight))
    note = (
        f"{UNLABELLED} were compared with control subjects of any label: where they are of another kind, a"
        " difference is no proof that they leaked"
    )
    return replace(
        labelled,
        verdict=verdict,
        reasons=tuple(reasons),
        notes=(*labelled.notes, note, *(f"{UNLABELLED}: {text}" for text in unlabelled.notes)),
        advantage=max(told(labelled.advantage), told(unlabelled.advantage)),
        advantage_upper=max(labelled.advantage_upper, unlabelled.advantage_upper),
        primary=primary,
        isolation_train=max(told(labelled.isolation_train), told(unlabelled.isolation_train)),
        isolation_control=max(told(labelled.isolation_control), told(unlabelled.isolation_control)),
        train_subjects=told(labelled.train_subjects) + told(unlabelled.train_subjects),
        weight=weight,
        confidence=config.confidence,
        claim=with_form(claim(primary, weight, config.confidence, profile, model=config.model), labelled.reading),
        blind=tuple(dict.fromkeys((*told(labelled.blind), *told(unlabelled.blind)))),
        labelled=_summary(labelled),
        unlabelled=UnlabelledFigures(
            verdict=unlabelled.verdict,
            train_subjects=told(unlabelled.train_subjects),
            advantage=unlabelled.advantage,
            advantage_upper=unlabelled.advantage_upper,
            weight=unlabelled.weight,
            placebo=unlabelled.placebo,
            planted=unlabelled.planted,
            kinds=unlabelled.kinds,
            weights=unlabelled.weights,
            control_subjects=unlabelled.control_subjects,
            tests=unlabelled.tests,
            primary=unlabelled.primary,
            membership=unlabelled.membership,
            isolation=unlabelled.isolation,
            sham=unlabelled.sham,
            copied=unlabelled.copied,
            detectable=unlabelled.detectable,
        ),
    )


def worse_rows(*groups: Sequence[PrimaryRow]) -> tuple[PrimaryRow, ...]:
    """Of every primary figure the row that is worse: above its margin, then undecided, then by its upper bound."""
    found: dict[str, list[PrimaryRow]] = {}
    for row in (row for rows in groups for row in rows):
        found.setdefault(row.name, []).append(row)
    return tuple(max(rows, key=lambda row: (OUTCOMES.index(row.outcome), row.upper)) for rows in found.values())


def _summary(figures: AuditFigures) -> LabelledFigures:
    return LabelledFigures(
        verdict=figures.verdict,
        advantage=told(figures.advantage),
        advantage_upper=figures.advantage_upper,
        weight=told(figures.weight),
        train_subjects=figures.train_subjects,
    )


def worst(*verdicts: Verdict) -> Verdict:
    """The worst of some verdicts."""
    return max(verdicts, key=VERDICTS.index)
