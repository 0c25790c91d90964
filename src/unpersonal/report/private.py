"""private.html: borderline pairs and worst subjects. It shows real people and must not leave the building."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..audit.figures import CopiedPair, Exposed, Isolated, Named, NearPair
from ..core.errors import InputError
from ..core.files import read_json, write_text
from .charts import data_uri, sample_sheet
from .decisions import decision_sections
from .page import Element, Page, Section, record_table, render
from .sections import samples

if TYPE_CHECKING:
    import pandas as pd

PAIRS = 16
"""Borderline pairs shown."""
BROKEN = (InputError, OSError, KeyError, IndexError, TypeError, ValueError)
"""What files that are broken, missing or of another study raise: the page is written whatever happened before."""
WORST = 20
"""Rows of the audit's lists shown."""


def borderline_rows(ledger: pd.DataFrame, count: int) -> pd.DataFrame:
    """Rows of the ledger's unflagged, selected candidates with the highest scores (nearest to the threshold) first."""
    clean = ledger.loc[ledger["selected"].eq(True) & ledger["flagged"].eq(False)]
    nearest: pd.DataFrame = clean.sort_values("score", ascending=False, kind="stable").head(count)
    return nearest


def borderline_section(study: Path) -> Section:
    """Selected images that came closest to being flagged, each beside the real image that it resembles most."""
    lead = "Left: a synthetic image that passed the gate narrowly. Right: the real image nearest to it."
    blank = Section(
        "borderline", "Borderline pairs", lead, missing="There is no ledger or no store to show pairs from."
    )
    try:
        elements = _borderline_elements(study)
    except BROKEN:
        return blank
    return Section(blank.key, blank.title, lead, tuple(elements), missing="No image passed the gate.")


def _borderline_elements(study: Path) -> list[Element]:
    from ..release.lock import pixel_hash
    from ..synthesis.ledger import load_ledger

    images, subjects, selected = _study_arrays(study)
    position = {pixel_hash(image): row for row, image in enumerate(selected)}
    elements = []
    near = borderline_rows(load_ledger(study), PAIRS)
    columns = (near["sha256"].astype(str), near["nearest"].astype(int), near["score"].astype(float))
    for digest, nearest, score in zip(*(column.tolist() for column in columns), strict=True):
        if digest not in position:
            continue
        pair = np.stack([selected[position[digest]], images[nearest]])
        text = f"score {score:.4g}; nearest subject {subjects[nearest]}"
        elements.append(Element("picture", text, content=data_uri(sample_sheet(pair, 2))))
    return elements


def _study_arrays(study: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from ..codec.store import load_images
    from ..cohort.table import load_cohort
    from ..synthesis.selected import load_selected

    return load_images(study), load_cohort(study).subjects, load_selected(study).images


def _pair_elements(study: Path, pairs: Sequence[NearPair]) -> list[Element]:
    """A picture for every pair: the selected image, and the train image beside it."""
    images, subjects, selected = _study_arrays(study)
    elements = []
    for pair in pairs[:PAIRS]:
        sheet = sample_sheet(np.stack([selected[pair.synthetic], images[pair.train]]), 2)
        text = f"distance {pair.distance:.4g}; subject {subjects[pair.train]}"
        elements.append(Element("picture", text, content=data_uri(sheet)))
    return elements


def _copied_elements(study: Path, pairs: Sequence[CopiedPair]) -> list[Element]:
    """A picture for every image that was dropped, with an image of the person whom it shows beside it."""
    images, subjects, selected = _study_arrays(study)
    return [
        Element(
            "picture",
            f"found by {pair.matcher}; subject {subjects[pair.train]}",
            content=data_uri(sample_sheet(np.stack([selected[pair.synthetic], images[pair.train]]), 2)),
        )
        for pair in pairs[:PAIRS]
    ]


def _worst_elements(study: Path, worst: Sequence[Isolated]) -> list[Element]:
    """A table of the subjects that most predicates isolate, and one picture of each."""
    images, subjects, _ = _study_arrays(study)
    shown = worst[:WORST]
    if not shown:
        return []
    records = [
        {"subject": str(subjects[item.train]), "predicates": item.predicates, "train": item.train} for item in shown
    ]
    text = "One image of each of these subjects, in the order of the table"
    picture = Element("picture", text, content=data_uri(sample_sheet(np.stack([images[item.train] for item in shown]))))
    return [*record_table(records, "Subjects isolated by the most predicates"), picture]


def _exposed_elements(study: Path, exposed: Sequence[Exposed]) -> list[Element]:
    """A table of the subjects of whom all attacks together say most, and one picture of each."""
    if not exposed:
        return []
    images, subjects, _ = _study_arrays(study)
    records = [{"subject": str(subjects[item.train]), "exposure": round(item.exposure, 2)} for item in exposed]
    text = "One image of each of these subjects, in the order of the table"
    picture = Element("picture", text, content=data_uri(sample_sheet(np.stack([images[e.train] for e in exposed]))))
    return [*record_table(records, "Subjects of whom all attacks together say most"), picture]


def audit_sections(study: Path) -> tuple[Section, ...]:
    """The lists of audit/private.json: copied people, the nearest pairs, the worst subjects, and those most exposed."""
    path = study / "audit" / "private.json"
    copied: list[Element] = []
    pairs: list[Element] = []
    worst: list[Element] = []
    exposed: list[Element] = []
    named = Named((), ())
    with suppress(InputError, OSError):
        named = Named.from_json(read_json(path), where=str(path))
    with suppress(*BROKEN):
        copied = _copied_elements(study, named.copied or ())
    with suppress(*BROKEN):
        pairs = _pair_elements(study, named.pairs)
    with suppress(*BROKEN):
        worst = _worst_elements(study, named.worst)
    with suppress(*BROKEN):
        exposed = _exposed_elements(study, named.exposed or ())
    missing = "The audit has not run or names nobody."
    beside = "Left: a synthetic image. Right: the real training image that the auditor finds nearest to it."
    order = "The ten train people of whom all attacks together say most: an order, and no proof that anyone leaked."
    lead = "People whom the attacks of the audit singled out most often."
    dropped = "Left: a synthetic image that was dropped. Right: a real image of the person whom it shows."
    return (
        Section("copied", "Copied people", dropped, tuple(copied), missing="The audit found no copied person."),
        Section("pairs", "Nearest pairs of the audit", beside, tuple(pairs), missing=missing),
        Section("worst", "Worst subjects", lead, tuple(worst), missing=missing),
        Section("exposed", "Most exposed people", order, tuple(exposed), missing=missing),
    )


def build_private(study: Path) -> Path:
    """Write `study/private.html` from the ledger, the store and audit/private.json; returns its path."""
    page = Page(
        title="Borderline pairs and worst subjects",
        banner="bad",
        headline="Must not leave the building",
        remarks=("Real images and names of subjects follow. Delete this page when the decision has been taken.",),
        sections=(
            borderline_section(study),
            *audit_sections(study),
            *decision_sections(study),
            # report.html shows none of them where the release was refused
            samples(study),
        ),
        confidential=True,
    )
    path = study / "private.html"
    write_text(path, render(page))
    return path
