"""Sham release: auxiliary people take the place of the release. No attack may tell train from control by them.

Where one can, the two groups differ by themselves, and no figure of the audit can be read as a leak or as its absence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from .attack import AttackNeeds, Guesses
from .background import Background
from .family import Family, FittedEntry, fit_attack, run_attacks
from .inference_rows import above_estimate
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


def play_sham(
    background: Background, target: Target, fitted: Sequence[FittedEntry], *, labels: bool
) -> tuple[int, Family]:
    """Our attacks of low cost, fitted anew on a sham release that has the labels of the people on it.

    How many images that has, and what the attacks gave.
    """
    certify = background.certify
    count = max(1, min(len(certify), len(background.released)))
    known = None if certify.labels is None else tuple(certify.label_sets()[:count])
    sham, blank = background.with_release(np.asarray(certify.images[:count]), known), target.with_release()
    again = [
        fit_attack(entry.name, sham, labels)
        for entry in fitted
        if ATTACKS.is_ours(entry.name) and _repeatable(ATTACKS.get(entry.name).needs)
    ]
    return count, run_attacks(again, blank)


def _repeatable(needs: AttackNeeds) -> bool:
    """Whether an attack is cheap and reads a release alone: what the trained model says would be no sham."""
    return needs.cost == "low" and not needs.model


def measure_sham(background: Background, target: Target, images: int, family: Family) -> Sham | None:
    """What attacks gave on a sham release of `images`: scores of membership and guesses must tell nothing.

    Half of the error is for either where there are both. None where there are no scores.
    """
    found, guesses = family.scores, family.guesses.found
    if not found.found:
        return None
    measured = measure_membership(found.found, found.names, target)
    rows = membership_figures(measured, len(measured), background.config.confidence).rows
    p = min(row.p for row in rows)
    if (guessed := guesses_p(guesses, target.train)) is not None:
        p = min(1.0, 2.0 * min(p, guessed))
    return Sham(
        images=images,
        attacks=len(found.found) + len(guesses),
        auroc=max(row.auroc for row in rows),
        p=p,
        difference=p <= background.config.alpha,
    )


def guesses_p(guesses: Sequence[Guesses], train: np.ndarray) -> float | None:
    """How surely guesses about train people (`train` bool [N]) are right more, or less, often than about the others.

    The smallest two-sided p (Welch's statistic taken for normal), times the number of attacks; None without guesses.
    """
    found = []
    for given in guesses:
        right = np.asarray(given.right, dtype=np.float64)
        inside, outside = right[train & ~np.isnan(right)], right[~train & ~np.isnan(right)]
        if min(len(inside), len(outside)) > 1:
            above = above_estimate(inside, outside)
            found.append(2.0 * float(norm.sf(abs(above.value) / above.rest**0.5)))
    return min(1.0, len(found) * min(found)) if found else None
