"""How far the members of the re-identifier agree: would another seed have decided otherwise?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .figures import AgreementFigures, ConsistencyFigures
from .reidentifier import Embedded, Reidentifier
from .thresholds import threshold_at


def kappa(a: np.ndarray, b: np.ndarray) -> float | None:
    """Cohen's kappa of two bool arrays; None where chance alone explains full agreement."""
    observed = float((a == b).mean())
    chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def agreement(flags: Sequence[np.ndarray]) -> AgreementFigures:
    """Mean agreement and Cohen's kappa over the pairs of members' flags (bool arrays of one length)."""
    pairs = [(a, b) for i, a in enumerate(flags) for b in flags[i + 1 :]]
    kappas = [value for value in (kappa(a, b) for a, b in pairs) if value is not None]
    return AgreementFigures(
        agreement=float(np.mean([(a == b).mean() for a, b in pairs])) if pairs else None,
        kappa=float(np.mean(kappas)) if kappas else None,
    )


def consistency(
    reidentifier: Reidentifier,
    gallery: Embedded,
    strangers: tuple[np.ndarray, np.ndarray],
    copies: np.ndarray,
    rate: float,
) -> ConsistencyFigures:
    """Every member alone, at the threshold that a share `rate` of the strangers reach: how far their flags agree.

    `strangers` are images uint8 [s, C, H, W] and subjects [s], scored without their own images in the `gallery`;
    `copies` uint8 [n, C, H, W].
    """
    found, rates = [], {}
    for index in range(len(reidentifier.members)):
        member, known = reidentifier.only(index), gallery.only(index)
        scores = member.score(strangers[0], known, strangers[1]).score
        level = np.float32(threshold_at(scores, int(np.floor(rate * len(scores)))))
        found.append((scores >= level, member.score(copies, known).score >= level))
        rates[f"member {index + 1}"] = float(found[-1][0].mean())
    together = agreement([np.concatenate(both) for both in found])
    return ConsistencyFigures(
        agreement=together.agreement,
        kappa=together.kappa,
        unseen=agreement([unseen for unseen, _ in found]),
        false_flag_rates=rates,
    )
