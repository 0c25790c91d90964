"""Here a candidate is vetoed: it passes only if every matcher says that it points back at nobody.

The thresholds are chosen in `judges/calibration.py`. What is not proven clean is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.progress import console
from ..judges.copy_scores import checked
from ..judges.store import Judges
from ..matching.base import Matcher, Scores, flags


@dataclass(frozen=True)
class Ruling:
    """The gate's word on B candidates: `flagged` bool [B], and how alike the re-identifier finds them.

    `score` float32 [B] and `nearest` int64 [B] (row of the cohort) are the re-identifier's best match.
    """

    score: np.ndarray
    nearest: np.ndarray
    flagged: np.ndarray


@dataclass(frozen=True)
class Enrolled:
    """A matcher with its gallery of the train images, and the threshold from which it flags."""

    name: str
    matcher: Matcher[Any]
    gallery: Any
    threshold: float

    def score(self, candidates: np.ndarray) -> Scores:
        """One score and one gallery row for each of the candidates uint8 [B, C, H, W], or a `ValueError`."""
        return checked(self.matcher.score(candidates, self.gallery), len(candidates))

    def flagged(self, candidates: np.ndarray) -> np.ndarray:
        """bool [B]: what this matcher refuses; everything, with a message, where it raises."""
        try:
            # a copy: no matcher may change what the others see, or what is released
            return flags(self.score(candidates.copy()).score, self.threshold)
        except Exception as error:  # whatever somebody's matcher raises
            told = f"the matcher {self.name!r} failed ({type(error).__name__}: {error}): {len(candidates)} refused"
            console.print(told, style="yellow", markup=False)
            return np.ones(len(candidates), dtype=bool)


class Gate:
    """Refuses every candidate that any matcher flags."""

    def __init__(self, reidentifier: Enrolled, others: Sequence[Enrolled], rows: np.ndarray) -> None:
        """`rows` int64 [g]: the row of the cohort of every row of the galleries."""
        self._reidentifier, self._others, self._rows = reidentifier, tuple(others), rows

    def rule(self, candidates: np.ndarray) -> Ruling:
        """Rule on candidates uint8 [B, C, H, W]; what the re-identifier raises ends the run."""
        found = self._reidentifier.score(candidates)
        flagged = flags(found.score, self._reidentifier.threshold)
        for enrolled in self._others:
            flagged = flagged | enrolled.flagged(candidates)
        return Ruling(found.score, self._rows[found.nearest], flagged)


def open_gate(judges: Judges, images: np.ndarray, subjects: np.ndarray, rows: np.ndarray) -> Gate:
    """Enrol train `images` uint8 [g, C, H, W] of `subjects` [g] with every matcher; `rows` are those of the cohort.

    A matcher without a calibrated threshold flags everything.
    """
    rates = judges.gate.matchers or {}

    def enrol(name: str, matcher: Matcher[Any], threshold: float) -> Enrolled:
        return Enrolled(name, matcher, matcher.enrol(images.copy(), subjects), threshold)

    others = [
        enrol(name, matcher, rates[name].threshold if name in rates else float("nan"))
        for name, matcher in judges.matchers.items()
    ]
    return Gate(enrol("re-identifier", judges.reidentifier, judges.gate.threshold), others, rows)
