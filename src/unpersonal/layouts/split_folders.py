"""Words for splits in folders and columns: `train/`, `val/`, `test/` at the top of a tree, and what only looks so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from .registry import split_folders_kept

SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "validate": "val",
    "dev": "val", "aux": "aux", "auxiliary": "aux", "test": "test", "testing": "test",
}  # fmt: skip
LEAST_COVERED = 0.5
"""Share of the images or rows that words for splits must cover to be worth a note."""


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
    splits = {split for split in found if split is not None}
    return sorted(splits) if None not in found and len(splits) > 1 else []


def split_folder_note(names: Sequence[str]) -> list[str]:
    """A sentence where folders look like splits and are not read as such; they may only hold the word (`a/train_1`)."""
    splits = looks_split(names)
    kept = split_folders_kept()
    mend = f"{kept} keeps them"
    if not splits:
        splits = mostly_splits(_split_of_folders(str(PurePosixPath(name).parent)) for name in names)
        mend = (
            f"if somebody was held out there, name the folders train, val and test at the top and write {kept}, or "
            "write the splits into a table (--split-column)"
        )
    if not splits:
        return []
    return [
        f"The folders look like splits ({', '.join(splits)}), and were not read as such: subjects are divided anew; "
        f"{mend}."
    ]


def mostly_splits(found: Iterable[str | None]) -> list[str]:
    """The splits among those of images or rows, where they are two or more and cover at least half; else nothing."""
    every = list(found)
    named = [split for split in every if split is not None]
    splits = sorted(set(named))
    return splits if len(splits) > 1 and len(named) >= LEAST_COVERED * len(every) else []


@lru_cache(2**16)
def split_word(text: str) -> str | None:
    """The split whose name is a word of a text (`train_images`, `TestSet2`); None for none, and for several."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text))
    found = {SPLIT_NAMES[word.lower()] for word in words if word.lower() in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


@lru_cache(2**16)
def _split_of_folders(parent: str) -> str | None:
    """The split that the outermost of some folders is named after."""
    return next((split for folder in PurePosixPath(parent).parts if (split := split_word(folder))), None)
