"""private.html: borderline pairs and worst subjects, for those who may see real images. It must not leave the building."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.files import write_text
from .figures import data_uri, sample_sheet
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
    from ..codec.store import load_images
    from ..cohort.table import load_cohort
    from ..release.lock import pixel_hash
    from ..synthesis.selected import load_ledger, load_selected

    images, subjects = load_images(study), load_cohort(study).subjects
    selected = load_selected(study).images
    position = {pixel_hash(image): row for row, image in enumerate(selected)}
    blocks = []
    for row in borderline_rows(load_ledger(study), PAIRS).itertuples():
        if row.sha256 not in position:
            continue
        pair = np.stack([selected[position[row.sha256]], images[int(row.nearest)]])
        text = f"score {float(row.score):.4g}; nearest subject {subjects[int(row.nearest)]}"
        blocks.append(Block("picture", text, content=data_uri(sample_sheet(pair, 2))))
    return blocks


def _named(rows: Any, subjects: np.ndarray | None) -> list[dict[str, Any]]:
    """Records with the subject written beside every cohort row that they name."""
    named = []
    for record in rows if isinstance(rows, list) else []:
        if not isinstance(record, Mapping):
            continue
        extra = {
            f"subject of {key}": str(subjects[value])
            for key, value in record.items()
            if subjects is not None and key in ("row", "image", "train", "nearest", "subject")
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(subjects)
        }
        named.append({**extra, **record})
    return named


def worst_section(study: Path) -> Section:
    """The audit's lists about single people, as they were stored in audit/private.json."""
    lead = "People whom the attacks of the audit found most often, and the images that found them."
    from ..cohort.table import load_cohort

    try:
        subjects = load_cohort(study).subjects
    except InputError:
        subjects = None
    recorded = read_optional(study / "audit" / "private.json")
    blocks: list[Block] = []
    for name, rows in (recorded if isinstance(recorded, Mapping) else {}).items():
        blocks += record_table(_named(rows, subjects)[:WORST], str(name).replace("_", " "))
    return Section("worst", "Worst subjects", lead, tuple(blocks), missing="The audit has not run or names nobody.")


def build_private(study: Path) -> Path:
    """Write `study/private.html` from the ledger, the store and audit/private.json; returns its path."""
    page = Page(
        title="Borderline pairs and worst subjects",
        banner="bad",
        headline="Must not leave the building",
        remarks=("Real images and names of subjects follow. Delete this page when the decision has been taken.",),
        sections=(borderline_section(study), worst_section(study)),
        confidential=True,
    )
    path = study / "private.html"
    write_text(path, render(page))
    return path
