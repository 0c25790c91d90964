"""What loaders read beside labels.csv: the table that those of Hugging Face look for; whether croissant.json fits."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..cohort.soft_labels import FILE, WHOLE, SoftLabels, from_csv

METADATA, CROISSANT = "metadata.csv", "croissant.json"
CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
"""Specifications that croissant.json keeps."""
PROBABILITY = "probability_"
"""Before the name of a class: a class may be called as another column is."""
IN_FILES = (
    f"- `{METADATA}`: `file_name,label`{{more}}, the same labels for `datasets.load_dataset`; one of both is enough."
)


def metadata_csv(names: Sequence[str], labels: Sequence[str], soft: SoftLabels | None = None) -> bytes:
    """`file_name,label` and a column of probabilities a class, with three digits, where there are any.

    `names` [m] are those in the folder of images, `labels` [m] as they stand in labels.csv.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file_name", "label", *(f"{PROBABILITY}{name}" for name in (soft.classes if soft else ()))])
    rows = soft.thousandths.tolist() if soft else [[] for _ in names]
    for name, label, row in zip(names, labels, rows, strict=True):
        told = (f"{value // WHOLE}.{value % WHOLE:03d}" for value in row)
        writer.writerow([f"images/{name}", label, *told])
    return stream.getvalue().encode("utf-8")


def metadata_problems(root: Path, *, soft: bool) -> list[str]:
    """Whether metadata.csv says what labels.csv says, and the table of probabilities where there is one."""
    try:
        text = (root / "labels.csv").read_text(encoding="utf-8")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""))][1:]
        known = from_csv((root / FILE).read_text(encoding="utf-8"))[1] if soft else None
        expected = metadata_csv([row[0] for row in rows], [row[1] for row in rows], known)
    except (OSError, ValueError, IndexError, csv.Error):
        return [f"{METADATA}: there are no labels to compare it with"]
    if (root / METADATA).read_bytes() == expected:
        return []
    return [f"{METADATA}: it does not say what labels.csv{f' and {FILE} say' if soft else ' says'}"]


def croissant_problems(path: Path, listed: Mapping[str, object]) -> list[str]:
    """Why croissant.json does not describe this release: the hashes of its tables are those that the manifest has."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return [f"{CROISSANT}: not JSON"]
    if not isinstance(found, dict) or found.get("conformsTo") != list(CONFORMS_TO):
        return [f"{CROISSANT}: not a description in Croissant 1.1"]
    parts = found.get("distribution")
    told = {
        part["@id"]: part.get("sha256")
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict) and part.get("@type") == "cr:FileObject" and isinstance(part.get("@id"), str)
    }
    entries = {name: listed.get(name) for name in (METADATA, "labels.csv", FILE) if name in listed}
    wanted = {name: entry.get("sha256") if isinstance(entry, dict) else None for name, entry in entries.items()}
    return [] if told == wanted else [f"{CROISSANT}: the hashes of its tables are not those of the manifest"]
