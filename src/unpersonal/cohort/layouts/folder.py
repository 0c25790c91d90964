"""Nested folders of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..config import CohortConfig
from ..listing import (
    Listing,
    Problems,
    Record,
    choose_classes,
    labels_by_pattern,
    make_listing,
    subjects_by_pattern,
)
from ..sources import Source
from .names import image_names
from .split_folders import looks_split


def read_folder(config: CohortConfig, path: Path, source: Source) -> Listing:
    """Nested folders: subject by `--subject`, label by the parent folder or by `--label-from`."""
    problems = Problems(str(path))
    names, ignored = image_names(source, path)
    if config.subject is None:
        problems.add(
            "Nothing says which images show the same person",
            r"give --subject a pattern such as '(?P<subject>sub-\d+)', or --subject file if no person is on two images",
        )
        problems.raise_any()
    subjects = subjects_by_pattern(names, config.subject or "file", problems)
    labels = labels_by_pattern(names, config.label_from, problems)
    classes = choose_classes(labels, config.classes, problems)
    problems.raise_any()
    records = (Record(*fields) for fields in zip(names, subjects, labels, strict=True))
    return make_listing("folder", source, records, classes, ignored, notes=_split_note(names))


def _split_note(names: Sequence[str]) -> tuple[str, ...]:
    """A sentence where folders look like splits, which this layout does not read."""
    parts = looks_split(names)
    if not parts:
        return ()
    return (
        f"The folders look like splits ({', '.join(parts)}), and were not read as such: subjects are divided anew; "
        "--layout huggingface keeps them.",
    )
