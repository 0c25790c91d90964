"""How far the members of the re-identifier agree: would another seed have decided otherwise?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .calibration import CopyScores, choose_threshold
from .config import JudgesConfig
from .copy_scores import CopySet, score_copies
from .figures import AgreementFigures, ConsistencyFigures
from .reidentifier import Embedded, Reidentifier


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


def flags_of(scores: CopyScores, threshold: float) -> np.ndarray:
    """bool [n + P n]: unseen originals against train, then copies against their originals."""
    level = np.float32(threshold)
    return np.concatenate([scores.strangers >= level, (scores.copies >= level).reshape(-1)])


def consistency(
    reidentifier: Reidentifier, drawn: CopySet, train: Embedded, config: JudgesConfig
) -> ConsistencyFigures:
    """Every member calibrated alone: its false-flag rate, and how far the members' flags agree."""
    flags, rates, count = [], [], len(drawn.originals)
    for index in range(len(reidentifier.members)):
        scores, _ = score_copies(reidentifier.only(index), drawn.originals, drawn.copies, train.only(index))
        flags.append(flags_of(scores, choose_threshold(scores, config).value))
        rates.append(float(flags[-1][:count].mean()))
    together = agreement(flags)
    return ConsistencyFigures(
        agreement=together.agreement,
        kappa=together.kappa,
        unseen=agreement([row[:count] for row in flags]),
        false_flag_rates={f"member {index + 1}": rate for index, rate in enumerate(rates)},
    )
