"""Figures of train subjects whom nobody labelled, who are a game of their own, joined with those of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from .config import AuditConfig
from .figures import AuditFigures, LabelledFigures, UnlabelledFigures, Verdict
from .resolution import with_form
from .result import SMALLEST_CELL, masked, told
from .verdict import claim, rounded_up
from .weights import FEWEST

FEWEST_UNLABELLED = max(FEWEST, SMALLEST_CELL)
"""Below it no game is played: its figures would be those of a cell that is never told."""
UNLABELLED = "people whom nobody labelled"
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""From the best to the worst."""


def without_unlabelled(labelled: AuditFigures, count: int, config: AuditConfig) -> AuditFigures:
    """Figures where the `count` train subjects whom nobody labelled are too few to play: inconclusive at best."""
    reason = (
        f"{UNLABELLED}: they are fewer than the {FEWEST_UNLABELLED} that a game needs, so nothing is known of them;"
        " leave their images out"
    )
    # the difference of two totals would tell how few they are
    own = replace(_summary(labelled), train_subjects=None)
    return replace(
        labelled,
        verdict=_worst(labelled.verdict, "inconclusive"),
        reasons=(*labelled.reasons, reason),
        advantage=None,
        advantage_upper=1.0,
        claim=claim(1.0, told(labelled.weight), config.confidence),
        confidence=config.confidence,
        train_subjects=told(labelled.train_subjects) + count,
        labelled=own,
        unlabelled=UnlabelledFigures(train_subjects=masked(count), verdict="inconclusive"),
    )


def together(labelled: AuditFigures, unlabelled: AuditFigures, config: AuditConfig, policy: float) -> AuditFigures:
    """Figures of the game of labelled train subjects, with what holds of all train subjects in place of its own.

    Isolations are counted per released image, so those of the two groups add up, and so do their bounds. The verdict
    is the worse of the two.
    """
    reasons = [*labelled.reasons, *(f"{UNLABELLED}: {reason}" for reason in unlabelled.reasons)]
    upper = min(labelled.advantage_upper + unlabelled.advantage_upper, 1.0)
    verdict = _worst(labelled.verdict, unlabelled.verdict)
    if upper > policy >= max(labelled.advantage_upper, unlabelled.advantage_upper):
        reasons.append(
            f"the upper bound of the advantage over all train subjects, {rounded_up(upper)}, the sum of those over"
            f" labelled and unlabelled ones, is above the policy's {policy:g}"
        )
        verdict = _worst(verdict, "inconclusive")
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
        advantage=told(labelled.advantage) + told(unlabelled.advantage),
        advantage_upper=upper,
        isolation_train=told(labelled.isolation_train) + told(unlabelled.isolation_train),
        isolation_control=told(labelled.isolation_control) + told(unlabelled.isolation_control),
        train_subjects=told(labelled.train_subjects) + told(unlabelled.train_subjects),
        weight=weight,
        confidence=config.confidence,
        claim=with_form(claim(upper, weight, config.confidence), labelled.reading),
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
        ),
    )


def _summary(figures: AuditFigures) -> LabelledFigures:
    return LabelledFigures(
        verdict=figures.verdict,
        advantage=told(figures.advantage),
        advantage_upper=figures.advantage_upper,
        weight=told(figures.weight),
        train_subjects=figures.train_subjects,
    )


def _worst(*verdicts: Verdict) -> Verdict:
    return max(verdicts, key=VERDICTS.index)
