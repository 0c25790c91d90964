"""Figures of the cross-dataset matrix: trained here, tested there."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures
from ..layouts.account import Account
from .figures import Interval


@dataclass(frozen=True, kw_only=True)
class LabelledSideFigures(Account):
    """One side: files and pictures `found` = `read` + `refused` + `ignored`, and what became of those read.

    `role` is train, synthetic, test, or train and test. `left_out` are its labels that another side lacks.
    `subjects_known` says whether somebody tells who is on its pictures; `trained` and `tested` are pictures.
    """

    role: str
    path: str
    release: bool
    labels: tuple[str, ...]
    left_out: tuple[str, ...]
    subjects_known: bool
    trained: int
    tested: int


@dataclass(frozen=True, kw_only=True)
class Cell(Figures):
    """Classifiers trained on `train`, tested on `test`: the mean of their macro AUROC over the labels.

    The interval is two-sided 95 %, over people of the test side and training seeds; None where most samples of these
    people lack an outcome. `seed_spread` is the standard deviation between the classifiers, `calibration_error` as in
    `calibration.calibration_error`. A label without both outcomes on the test side is not in `auroc_by_label`.
    """

    train: str
    test: str
    synthetic: bool
    auroc: float
    auroc_interval: Interval | None
    auroc_by_label: dict[str, float]
    seed_spread: float
    calibration_error: float


@dataclass(frozen=True, kw_only=True)
class GapFigures(Figures):
    """What is lost on `test` by training on `synthetic` instead of on `train`; as `paired.Comparison`, paired."""

    train: str
    synthetic: str
    test: str
    gap: float | None
    gap_interval: Interval | None
    gap_upper: float
    note: str


@dataclass(frozen=True, kw_only=True)
class MatrixFigures(Figures):
    """Every side that was trained on against every side that was tested on, by one recipe.

    `labels` are those that all sides have; `steps` the optimiser steps, at most, by side that was trained on.
    """

    labels: tuple[str, ...]
    size: int
    network: str
    seeds: int
    steps: dict[str, int]
    sides: tuple[LabelledSideFigures, ...]
    cells: tuple[Cell, ...]
    gaps: tuple[GapFigures, ...]
    notes: tuple[str, ...]

    def cell(self, train: str, test: str) -> Cell:
        """The cell of two sides; a `KeyError` where there is none."""
        for cell in self.cells:
            if (cell.train, cell.test) == (train, test):
                return cell
        raise KeyError((train, test))
