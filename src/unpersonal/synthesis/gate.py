"""Here a candidate is vetoed: it passes only if every matcher says that it points back at nobody in the cohort.

The thresholds are chosen in `judges/calibration.py`. What is not proven clean is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..core.errors import InputError
from ..core.progress import console
from ..judges.panel import REIDENTIFIER, Enrolled, Ruling, enrol_all, rule
from ..judges.store import Judges


class Gate:
    """Refuses every candidate that any matcher flags."""

    def __init__(self, panel: Sequence[Enrolled], thresholds: Mapping[str, float]) -> None:
        """`thresholds` by the names of the matchers; one that is absent refuses everything."""
        self._panel, self._thresholds = tuple(panel), dict(thresholds)

    @property
    def matchers(self) -> tuple[str, ...]:
        """The names of the matchers, in the order of `Ruling.by`."""
        return tuple(enrolled.name for enrolled in self._panel)

    @property
    def panel(self) -> tuple[Enrolled, ...]:
        """Every matcher with its gallery, the re-identifier first."""
        return self._panel

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The score from which a matcher flags, by its name."""
        return self._thresholds

    def rule(self, candidates: np.ndarray) -> Ruling:
        """Rule on candidates uint8 [B, C, H, W].

        What the first matcher raises ends the run, there is no score without it; another that raises flags all that it
        was asked about, with a message.
        """
        try:
            return rule(self._panel, self._thresholds, candidates)
        except InputError as error:
            if len(self._panel) == 1:
                raise
            first = rule(self._panel[:1], self._thresholds, candidates)
            console.print(f"{error}: {len(candidates)} refused", style="yellow", markup=False)
            return Ruling(first.score, first.nearest, np.where(first.flagged, first.by, len(self._panel) - 1))


def open_gate(judges: Judges, images: np.ndarray, subjects: np.ndarray) -> Gate:
    """Enrol `images` uint8 [g, C, H, W] of `subjects` [g], everybody of the cohort, with every matcher.

    Other matchers than those that were calibrated are an `InputError`: what was measured is then not this gate.
    """
    if set(judges.gate.matchers) != {REIDENTIFIER, *judges.matchers}:
        raise InputError(
            f"The gate was calibrated with {', '.join(sorted(judges.gate.matchers))}, and there are now "
            f"{', '.join(sorted({REIDENTIFIER, *judges.matchers}))}",
            where="models/judges",
            how="run the judges stage again",
        )
    panel = enrol_all(judges.reidentifier, judges.matchers, images, subjects)
    thresholds = {name: figures.threshold for name, figures in judges.gate.matchers.items()}
    thresholds[REIDENTIFIER] = judges.gate.threshold
    return Gate(panel, thresholds)
