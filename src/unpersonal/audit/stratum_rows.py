"""Figures of the strata of the worst case."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures
from .rows import Outcome

OF_LABEL = "people with the label "
"""What the name of a stratum of a label begins with."""


@dataclass(frozen=True)
class StratumFigure(Figures):
    """One figure of a stratum, by the attack with the largest bound; `control` is the same share of its control people.

    `lower` holds for all attacks and strata together, and of a share for what exceeds `control`; `upper` is pointwise.
    """

    name: str
    attack: str
    value: float
    control: float | None
    lower: float
    upper: float
    margin: float
    outcome: Outcome


@dataclass(frozen=True)
class StratumRow(Figures):
    """A stratum: its people (`<5` where they are so few) and figures, none where it has too few to measure.

    With `needed` people of either side, attacks that find nothing would be within all margins.
    """

    name: str
    train_people: int | str
    control_people: int | str
    figures: tuple[StratumFigure, ...]
    needed: int
