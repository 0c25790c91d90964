"""How often each label set stands in labels.csv, against what the evidence tells of it.

The evidence does not say which image has which labels: two that were exchanged show in no count, only in a signature.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..core.words import plural
from ..synthesis.label_sets import SEPARATOR, labels_of
from .claimed import FEW, rows, table, texts
from .evidence import SMALLEST_CELL
from .policy import is_number

LABELS = "labels.csv"
SHOWN = 5


def label_count_problems(path: Path, evidence: object) -> list[str]:
    """Where the label sets of labels.csv at `path` are not those that `evidence` tells.

    Each number must be the one told, or below five where that is masked; what was planned bounds it; labels that the
    cohort does not have, and sets that nobody planned, are none of the release.
    """
    told = {labels_of(str(row.get("labels"))): row for row in rows(table(evidence, "synthesis").get("label_sets"))}
    found = _counted(path)
    problems = []
    classes = set(texts(table(evidence, "cohort").get("classes")))
    used = {label for labels in found for label in labels if label}
    if classes and (unknown := sorted(used - classes)):
        problems.append(f"{LABELS}: {_named(unknown)}: no label of the cohort that evidence.json tells of")
    if none := sorted(SEPARATOR.join(sorted(labels)) for labels in set(found) - set(told)):
        problems.append(f"{LABELS}: {_named(none)}: no image of these labels was planned by evidence.json")
    for labels, row in told.items():
        problems += _problem(str(row.get("labels")), found[labels], row)
    return problems


def _problem(name: str, count: int, row: Mapping[str, object]) -> list[str]:
    """Why `count` images of a label set contradict its row of the evidence."""
    planned, released = row.get("planned"), row.get("released")
    said = f"{LABELS}: {plural(count, 'image has', 'images have')} the labels {name!r}"
    if (is_number(released) and count != released) or (released == FEW and count >= SMALLEST_CELL):
        return [f"{said}, by evidence.json {released}"]
    if is_number(planned) and isinstance(planned, int) and count > planned:
        return [f"{said}, and {planned} were planned"]
    return []


def _counted(path: Path) -> Counter[frozenset[str]]:
    """Images by the labels in labels.csv; what is no table is told elsewhere."""
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))[1:]
    except (OSError, UnicodeDecodeError, csv.Error):
        return Counter()
    return Counter(labels_of(line[1]) for line in lines if len(line) == 2)


def _named(names: list[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
