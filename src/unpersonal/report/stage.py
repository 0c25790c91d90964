"""The report stage: report.html for people, and private.html for the building."""

from __future__ import annotations

from pathlib import Path

from .figures import ReportFigures
from .html import build_report
from .private import build_private
from .summary import Summary


def run_stage(study: Path, *, summary: Summary) -> ReportFigures:
    """Write report.html out of the `summary` and the files of the stages, and private.html."""
    report = build_report(study, summary)
    build_private(study)
    return ReportFigures(bytes=report.stat().st_size)
