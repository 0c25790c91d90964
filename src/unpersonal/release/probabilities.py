"""Class probabilities in a release: whether they may be in it, and whether their file is whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from ..audit.figures import AuditFigures
from ..cohort.soft_labels import FILE, WHOLE, SoftLabels, from_csv, to_csv


def unattacked(soft: SoftLabels | None, audit: AuditFigures | None) -> list[str]:
    """The reasons why probabilities may not be released: the audit must have had them in hand."""
    if soft is None or (audit is not None and audit.probabilities is True):
        return []
    return ["audit.probabilities is not true: class probabilities would be released that no attack has seen"]


def told_in_manifest(soft: SoftLabels) -> dict[str, object]:
    """What the manifest says of the file."""
    return {"classes": list(soft.classes), "exclusive": soft.exclusive}


def probability_problems(root: Path, told: object) -> list[str]:
    """What is wrong with the file, of which the manifest has `told`; its numbers must fit labels.csv."""
    try:
        raw = (root / FILE).read_bytes()
        names, found = from_csv(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return [f"{FILE}: not a table"]
    except ValueError as error:
        return [f"{FILE}: {error}"]
    if not isinstance(told, Mapping) or list(found.classes) != told.get("classes"):
        return [f"{FILE}: the manifest does not name its classes"]
    problems = []
    if raw != to_csv(found, names):
        problems.append(f"{FILE}: probabilities must have three digits")
    if told.get("exclusive") is not False and (found.thousandths.sum(axis=1) != WHOLE).any():
        problems.append(f"{FILE}: the probabilities of an image do not sum to 1")
    return problems + _misfits(root / "labels.csv", names, found)


def _misfits(labels: Path, names: list[str], found: SoftLabels) -> list[str]:
    """Where labels.csv has other files, or labels without a column."""
    try:
        rows = list(csv.reader(io.StringIO(labels.read_text(encoding="utf-8"), newline="")))[1:]
    except (OSError, UnicodeDecodeError, csv.Error):
        return [f"{FILE}: there are no labels to compare it with"]
    if [row[0] for row in rows if row] != names:
        return [f"{FILE}: other files, or another order, than in labels.csv"]
    given = {label for row in rows for label in row[-1].split("|") if label}
    return [f"{FILE}: no column for labels of labels.csv"] if given - set(found.classes) else []


def unattacked_in_evidence(evidence: object) -> list[str]:
    """What evidence says that goes with a file of probabilities: that the audit attacked them."""
    audit = evidence.get("audit") if isinstance(evidence, Mapping) else None
    attacked = isinstance(audit, Mapping) and audit.get("probabilities") is True
    return [] if attacked else [f"{FILE}: the evidence does not say that the audit attacked them"]
