"""The cohort stage: read and check the input, write `cohort.parquet` and `quarantine.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.files import write_text
from .checks import read_cohort
from .config import CohortConfig
from .table import SPLITS, Cohort

if TYPE_CHECKING:
    import torch

QUARANTINE_COLUMNS = ("path", "reason", "detail")


def run_stage(study: Path, config: CohortConfig, *, seed: int, device: torch.device | None = None) -> dict[str, Any]:
    """Write the cohort of `study` (relative paths of the configuration start there) and return its counts.

    Figures are aggregates: no path, no subject. Raises `InputError` before anything is written.
    """
    cohort, quarantine, report = read_cohort(config, seed, study)
    return write_cohort(study, cohort, quarantine, report)


def write_cohort(
    study: Path, cohort: Cohort, quarantine: Sequence[tuple[str, str, str]], report: dict[str, Any]
) -> dict[str, Any]:
    """Write what `read_cohort` returned into `study`; returns the figures of the stage."""
    write_quarantine(study / "quarantine.csv", quarantine)
    cohort.save(study)
    return figures(cohort, report)


def figures(cohort: Cohort, report: dict[str, Any]) -> dict[str, Any]:
    """Counts of images, subjects and labels, in all and by split."""
    by_split = cohort.table.groupby("split")
    per_label = cohort.targets.sum(axis=0)
    duplicates = {f"duplicate_{name}": report["duplicates"][name] for name in ("groups", "images")}
    return {
        **{name: value for name, value in report.items() if name != "duplicates"},
        **duplicates,
        "images_by_split": {split: len(cohort.rows(split)) for split in SPLITS},
        "subjects_by_split": {split: int(by_split["subject"].nunique().get(split, 0)) for split in SPLITS},
        "images_by_label": {label: int(count) for label, count in zip(cohort.classes, per_label, strict=True)},
    }


def write_quarantine(path: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write the refused images as CSV with the columns path, reason, detail; only the header if there are none."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(QUARANTINE_COLUMNS)
    writer.writerows(rows)
    write_text(path, stream.getvalue())
