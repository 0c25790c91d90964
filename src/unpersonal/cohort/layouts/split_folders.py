"""Folders named after splits: `train/`, `val/`, `test/` at the top of a tree, or below what all images share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from .table import SPLIT_NAMES


def split_folders(names: Sequence[str]) -> tuple[list[str | None], list[str]]:
    """Split of every path by its outermost folder, and the path inside it; folders that all share come before it.

    All splits are None where no folder is named after one.
    """
    paths = [PurePosixPath(name).parts for name in names]
    depth = 0
    while paths and all(len(parts) > depth + 1 for parts in paths):
        tops = {parts[depth] for parts in paths}
        if len(tops) > 1 or next(iter(tops)).lower() in SPLIT_NAMES:
            break
        depth += 1
    found = [SPLIT_NAMES.get(parts[depth].lower()) if len(parts) > depth + 1 else None for parts in paths]
    if not any(found):
        return found, list(names)
    return found, ["/".join(parts[depth + (split is not None) :]) for parts, split in zip(paths, found, strict=True)]


def looks_split(names: Sequence[str]) -> list[str]:
    """The splits that the folders of a tree seem to be, where all images lie in one of at least two; else nothing."""
    found, _ = split_folders(names)
    parts = {part for part in found if part is not None}
    return sorted(parts) if None not in found and len(parts) > 1 else []
