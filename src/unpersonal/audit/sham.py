"""Sham release: auxiliary people take the place of the release. No attack may tell train from control by them.

Where one can, the two groups differ by themselves, and no figure of the audit can be read as a leak or as its absence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .attack import SubjectScores
from .background import Background
from .family import FittedEntry, fit_attack, run_attacks
from .membership_rows import measure_membership, membership_figures
from .registry import ATTACKS
from .rows import Sham
from .target import Target

LEAST_EXCHANGED = 0.2
"""Share of people of either side who must have somebody of their own kind on the other."""


def exchange_shortfalls(exchanged: float) -> tuple[str, ...]:
    """Why nothing can pass where permutations move hardly anybody, by the share whom they do.

    Who has nobody with the same labels and as many images on the other side is never exchanged. Sham and placebo then
    find no difference whatever there is.
    """
    if exchanged >= LEAST_EXCHANGED:
        return ()
    return (
        f"only {exchanged:.0%} of the people of one side have somebody with the same labels and as many images on the"
        f" other ({LEAST_EXCHANGED:.0%} needed): train and control are people of different kinds, and no difference"
        " between them can be told from a leak",
    )


def measure_sham(background: Background, target: Target, fitted: Sequence[FittedEntry], *, labels: bool) -> Sham | None:
    """Our attacks on membership of low cost, fitted anew on a sham release; None where there are none."""
    released = background.certify.images[: max(1, min(len(background.certify), len(background.released)))]
    sham, blank = background.with_release(np.asarray(released)), target.with_release()
    again = [
        fit_attack(entry.name, sham, labels)
        for entry in fitted
        if ATTACKS.is_ours(entry.name) and ATTACKS.get(entry.name).needs.cost == "low"
    ]
    found = run_attacks(again, blank).scores
    scores = [each for each in found.found if isinstance(each, SubjectScores)]
    if not scores:
        return None
    measured = measure_membership(scores, found.names, blank)
    rows = membership_figures(measured, len(measured), background.config.confidence).rows
    p = min(row.p for row in rows)
    return Sham(
        images=len(released),
        attacks=len(scores),
        auroc=max(row.auroc for row in rows),
        p=p,
        difference=p <= background.config.alpha,
    )
