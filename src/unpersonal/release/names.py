"""A last look at every text that is published or reported: what names a person or a file of the cohort is withheld."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import InputError

WITHHELD = "[withheld]"
_SHORTEST = 4
_TOKEN = re.compile(r"[^\s'\",;:()\[\]{}<>|/\\]+")


def private_names(study: Path) -> frozenset[str]:
    """Subjects, image paths, file names and their stems of the cohort, without class names and very short names.

    Names under four characters cannot be told from words and figures. Empty where the study has no cohort.
    """
    from ..cohort.table import load_cohort

    try:
        cohort = load_cohort(study)
    except InputError:
        return frozenset()
    names: set[str] = set()
    for image, subject in zip(cohort.table["image"], cohort.table["subject"], strict=True):
        path = PurePosixPath(str(image))
        names |= {str(image), path.name, path.stem, str(subject)}
    return frozenset(name for name in names - set(cohort.classes) if len(name) >= _SHORTEST)


def withhold(value: Any, names: frozenset[str]) -> Any:
    """Copy of a JSON value in which every key or text that holds one of `names` as a word is dropped or replaced."""
    if isinstance(value, Mapping):
        return {key: withhold(item, names) for key, item in value.items() if not _names_in(str(key), names)}
    if isinstance(value, list | tuple):
        return [withhold(item, names) for item in value]
    return WITHHELD if isinstance(value, str) and _names_in(value, names) else value


def _names_in(text: str, names: frozenset[str]) -> bool:
    if text in names:
        return True
    tokens = _TOKEN.findall(text)
    return any(token in names or token.strip(".") in names for token in tokens)
