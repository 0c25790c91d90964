"""Figures of the report stage."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.figures import Figures


@dataclass(frozen=True, kw_only=True)
class ReportFigures(Figures):
    """The size of report.html."""

    bytes: int
