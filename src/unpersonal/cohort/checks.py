"""From configuration to a cohort in which every image was opened once and every input error was raised."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.hashing import sha256_bytes
from ..core.progress import progress_bar
from .config import CohortConfig
from .decode import check_content, decode, is_grey
from .listing import Listing, Problems, Record
from .readers import read_listing
from .sources import ImageError, Source
from .splits import given_splits, split_subjects
from .table import HALVES, SPLITS, Cohort

EXAMPLES = 5
# a label absent here could neither be learned, nor calibrated, nor tested
LABELLED_PARTS = {"train": "train", "val-calibration": "val (its calibration half)", "test": "test"}


@dataclass(frozen=True)
class Inspection:
    """What opening one image showed: its content hash and whether it is grey, or why it is refused."""

    sha256: str = ""
    grey: bool = True
    refusal: ImageError | None = None


def inspect_image(source: Source, name: str) -> Inspection:
    """Open, hash and decode one image."""
    try:
        data = source.open_bytes(name)
        pixels = decode(data)
        check_content(pixels)
    except ImageError as error:
        return Inspection(refusal=error)
    return Inspection(sha256_bytes(data), is_grey(pixels))


def read_cohort(
    config: CohortConfig, seed: int, base: Path = Path(".")
) -> tuple[Cohort, list[tuple[str, str, str]], dict[str, Any]]:
    """Read the input completely: the cohort, the quarantine rows (path, reason, detail) and a report.

    Relative paths of the configuration start at `base`. Raises `InputError` for every fault of the input that DESIGN
    names. The report holds counts, the quarantine reasons and `duplicates` (exact copies under different subjects,
    with example paths: for the owner's eyes, never for a release).
    """
    listing = read_listing(config, base)
    where = str(base / config.images)
    if given := [(record.subject, record.split) for record in listing.records if record.split]:
        given_splits(*zip(*given, strict=True))  # refused before hours of decoding, not after
    inspections = list(_inspect_all(listing))
    kept, quarantine = _sort_out(listing, inspections)
    if len(kept) + len(quarantine) != len(listing.records):
        raise AssertionError("images read differ from images kept plus quarantined")
    _refuse_nothing_left(kept, quarantine, where)
    cohort = _build_cohort(config, listing, kept, seed)
    check_cohort(cohort, where)
    return cohort, quarantine, _report(listing, cohort, quarantine)


def check_cohort(cohort: Cohort, where: str) -> None:
    """Raise one `InputError` for too few subjects, too few labels, and labels absent from a part that needs them."""
    problems = Problems(where)
    table = cohort.table
    subjects = table["subject"].nunique()
    how = "add images of more people, or correct --subject if it joins people"
    if subjects == 1:
        problems.add("All images show one subject; a split needs several", how)
        problems.raise_any()
    per_split = table.groupby("split")["subject"].nunique()
    needed = {split: 2 if any(split == whole for whole, _ in HALVES.values()) else 1 for split in SPLITS}
    short = [
        f"{split} has {per_split.get(split, 0)}, needs {n}"
        for split, n in needed.items()
        if per_split.get(split, 0) < n
    ]
    if short:
        problems.add(f"{subjects} subjects are too few for the splits ({'; '.join(short)})", how)
    if len(cohort.classes) < 2:
        problems.add(
            f"There are fewer than two labels ({', '.join(cohort.classes) or 'none'})",
            "check --label-from or --label-column; utility is measured between labels",
        )
    elif not short:
        _check_labels_everywhere(cohort, problems)
    problems.raise_any()


def _check_labels_everywhere(cohort: Cohort, problems: Problems) -> None:
    targets = cohort.targets
    for part, title in LABELLED_PARTS.items():
        counts = targets[cohort.rows(part)].sum(axis=0)
        for label, count in zip(cohort.classes, counts, strict=True):
            if count == 0:
                owners = cohort.table["subject"][targets[:, cohort.classes.index(label)] > 0].nunique()
                problems.add(
                    f"The label {label!r} ({owners} subjects) does not occur in {title}",
                    "add subjects with that label, join it with another label, or leave its images out",
                )


def _inspect_all(listing: Listing) -> Iterator[Inspection]:
    names = [record.image for record in listing.records]
    workers = min(8, os.cpu_count() or 1)
    with (
        warnings.catch_warnings(),
        progress_bar("reading images", len(names)) as bar,
        ThreadPoolExecutor(workers) as pool,
    ):
        # Pillow warns about sizes and tags that decode() judges itself
        warnings.simplefilter("ignore")
        for inspection in pool.map(lambda name: inspect_image(listing.source, name), names):
            bar.advance()
            yield inspection


def _sort_out(
    listing: Listing, inspections: Sequence[Inspection]
) -> tuple[list[tuple[Record, Inspection]], list[tuple[str, str, str]]]:
    kept, quarantine = [], []
    for record, inspection in zip(listing.records, inspections, strict=True):
        if inspection.refusal is None:
            kept.append((record, inspection))
        else:
            quarantine.append((record.image, inspection.refusal.reason, inspection.refusal.detail))
    return kept, quarantine


def _refuse_nothing_left(kept: Sequence[Any], quarantine: Sequence[tuple[str, str, str]], where: str) -> None:
    if kept:
        return
    reasons = Counter(reason for _, reason, _ in quarantine)
    if set(reasons) == {"missing"}:
        raise InputError(
            f"None of the {len(quarantine)} images that are listed exists (for example {quarantine[0][0]!r})",
            where=where,
            how="name the folder or zip that their paths are relative to with --root",
        )
    found = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    raise InputError(
        f"No image can be used ({found}; for example {quarantine[0][0]!r}: {quarantine[0][2]})",
        where=where,
        how="check the files",
    )


def _build_cohort(
    config: CohortConfig, listing: Listing, kept: Sequence[tuple[Record, Inspection]], seed: int
) -> Cohort:
    import pandas as pd

    records = [record for record, _ in kept]
    subjects = [record.subject for record in records]
    labels = [list(record.labels) for record in records]
    given = [record.split for record in records if record.split is not None]
    split = given_splits(subjects, given) if given else split_subjects(subjects, labels, config.splits, seed)
    occurring = {label for row in labels for label in row}
    table = pd.DataFrame(
        {
            "image": [record.image for record in records],
            "subject": subjects,
            "labels": labels,
            "split": [split[subject] for subject in subjects],
            "sha256": [inspection.sha256 for _, inspection in kept],
        }
    )
    colour = sum(not inspection.grey for _, inspection in kept) * 2 > len(kept)
    return Cohort(table, tuple(name for name in listing.classes if name in occurring), seed, colour)


def find_duplicates(cohort: Cohort) -> dict[str, Any]:
    """Groups of images with the same content under different subjects: counts and examples (paths)."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(cohort.table["sha256"]):
        groups[digest].append(row)
    subjects, names = cohort.subjects, cohort.table["image"].to_numpy()
    crossing = [rows for rows in groups.values() if len({subjects[row] for row in rows}) > 1]
    return {
        "groups": len(crossing),
        "images": sum(len(rows) for rows in crossing),
        "examples": [[str(names[row]) for row in rows] for rows in crossing[:EXAMPLES]],
    }


def _report(listing: Listing, cohort: Cohort, quarantine: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "layout": listing.layout,
        "read": len(listing.records),
        "images": len(cohort),
        "subjects": int(cohort.table["subject"].nunique()),
        "quarantined": len(quarantine),
        "quarantine_reasons": dict(sorted(Counter(reason for _, reason, _ in quarantine).items())),
        "ignored_files": listing.ignored,
        "classes": list(cohort.classes),
        "colour": cohort.colour,
        "duplicates": find_duplicates(cohort),
    }
