"""private.html: borderline pairs and worst subjects. It shows real people and must not leave the building."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.files import write_text
from .charts import data_uri, sample_sheet
from .page import Block, Page, Section, record_table, render
from .sections import read_optional

PAIRS = 16
"""Borderline pairs shown."""
WORST = 20
"""Rows of the audit's lists shown."""


def borderline_rows(ledger: Any, count: int) -> Any:
    """Rows of the ledger's unflagged, selected candidates with the highest scores (nearest to the threshold) first."""
    clean = ledger[ledger["selected"].eq(True) & ledger["flagged"].eq(False)]
    return clean.sort_values("score", ascending=False, kind="stable").head(count)


def borderline_section(study: Path) -> Section:
    """Selected images that came closest to being flagged, each beside the real image that it resembles most."""
    lead = "Left: a synthetic image that passed the gate narrowly. Right: the real training image nearest to it."
    blank = Section(
        "borderline", "Borderline pairs", lead, missing="There is no ledger or no store to show pairs from."
    )
    try:
        blocks = _borderline_blocks(study)
    except (InputError, OSError, KeyError, ValueError):
        return blank
    return Section(blank.key, blank.title, lead, tuple(blocks), missing="No image passed the gate.")


def _borderline_blocks(study: Path) -> list[Block]:
    from ..release.lock import pixel_hash
    from ..synthesis.selected import load_ledger

    images, subjects, selected = _study_arrays(study)
    position = {pixel_hash(image): row for row, image in enumerate(selected)}
    blocks = []
    for row in borderline_rows(load_ledger(study), PAIRS).itertuples():
        if row.sha256 not in position:
            continue
        pair = np.stack([selected[position[row.sha256]], images[int(row.nearest)]])
        text = f"score {float(row.score):.4g}; nearest subject {subjects[int(row.nearest)]}"
        blocks.append(Block("picture", text, content=data_uri(sample_sheet(pair, 2))))
    return blocks


def _study_arrays(study: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from ..codec.store import load_images
    from ..cohort.table import load_cohort
    from ..synthesis.selected import load_selected

    return load_images(study), load_cohort(study).subjects, load_selected(study).images


def _pair_blocks(study: Path, pairs: Any) -> list[Block]:
    """A picture for every record `{train: cohort row, synthetic: row of the selected images, distance}`."""
    images, subjects, selected = _study_arrays(study)
    blocks = []
    for record in pairs[:PAIRS]:
        train, synthetic = int(record["train"]), int(record["synthetic"])
        sheet = sample_sheet(np.stack([selected[synthetic], images[train]]), 2)
        text = f"distance {float(record['distance']):.4g}; subject {subjects[train]}"
        blocks.append(Block("picture", text, content=data_uri(sheet)))
    return blocks


def _worst_blocks(study: Path, worst: Any) -> list[Block]:
    """A table of the subjects that most predicates isolate, and one picture of each."""
    images, subjects, _ = _study_arrays(study)
    rows = [int(record["train"]) for record in worst[:WORST]]
    if not rows:
        return []
    records = [{"subject": str(subjects[row]), **record} for row, record in zip(rows, worst[:WORST], strict=True)]
    text = "One image of each of these subjects, in the order of the table"
    picture = Block("picture", text, content=data_uri(sample_sheet(np.stack([images[row] for row in rows]))))
    return [*record_table(records, "Subjects isolated by the most predicates"), picture]


def audit_section(study: Path, key: str, title: str, lead: str) -> Section:
    """One list of audit/private.json: `pairs` or `worst`."""
    build = _pair_blocks if key == "pairs" else _worst_blocks
    recorded = read_optional(study / "audit" / "private.json")
    missing = "The audit has not run or names nobody."
    try:
        blocks = build(study, recorded[key])
    except (InputError, OSError, KeyError, IndexError, TypeError, ValueError):
        return Section(key, title, lead, missing=missing)
    return Section(key, title, lead, tuple(blocks), missing=missing)


def build_private(study: Path) -> Path:
    """Write `study/private.html` from the ledger, the store and audit/private.json; returns its path."""
    page = Page(
        title="Borderline pairs and worst subjects",
        banner="bad",
        headline="Must not leave the building",
        remarks=("Real images and names of subjects follow. Delete this page when the decision has been taken.",),
        sections=(
            borderline_section(study),
            audit_section(
                study,
                "pairs",
                "Nearest pairs of the audit",
                "Left: a synthetic image. Right: the real training image that the auditor finds nearest to it.",
            ),
            audit_section(
                study,
                "worst",
                "Worst subjects",
                "People whom the attacks of the audit singled out most often.",
            ),
        ),
        confidential=True,
    )
    path = study / "private.html"
    write_text(path, render(page))
    return path
