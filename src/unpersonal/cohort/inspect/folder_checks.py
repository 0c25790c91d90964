"""Whether subjects of one name lie in several folders that may each number people by itself."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import PurePosixPath

from ...core.words import plural
from ...images.picture import split_name
from ...layouts.folder_words import PORTION, SERIAL, SITE, without_copies
from ...layouts.layout import SubjectRule
from ...layouts.split_folders import SPLIT_NAMES
from ..table import Cohort
from .suspicion import Findings, Suspicion

LEAST_SHARED, MUCH_SHARED = 5, 0.5
"""Subjects, and their share of the smaller folder, in two folders of splits or labels from which a note is made."""
MOST_FOLDERS = 50
"""Folders of splits and labels up to which they are compared in pairs."""
Places = dict[tuple[str, ...], set[str]]
"""Subjects by the folders that they lie in."""


def suspect_folders(cohort: Cohort, pattern: re.Pattern[str] | None, rule: SubjectRule | None, found: Findings) -> None:
    """Whether subjects of one name lie in several folders that may each number people by itself.

    `pattern` finds the subject in a path (None: nothing does), `rule` is the layout's own about subjects.
    """
    is_sort = _sorts(cohort.classes)
    sites: Places = defaultdict(set)
    sorts: Places = defaultdict(set)
    shown: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for image, subject, labels in zip(cohort.table["image"], cohort.subjects, cohort.labels, strict=True):
        folders = _folders_before(image, pattern)
        folders = folders if rule is None else without_copies(folders, rule.copies)
        sort = tuple(folder for folder in folders if is_sort(folder))
        site = tuple(f for f in folders if f not in sort and not SERIAL.fullmatch(f))
        sites[site].add(subject)
        sorts[sort].add(subject)
        shown[site].update(labels)
    shared = _in_several(sites)
    if shared and _are_labels(shown):
        shared, sorts = {}, sites
    if shared:
        count = len(shared)
        lies = "lies" if count == 1 else "lie"
        sentence = f"{plural(count, 'subject')} {lies} in several folders: of two hospitals, these may be two people"
        mend = (
            "only if these folders are hospitals or studies that each number people by themselves, take the folder "
            r"into the subject: --subject '(?P<subject>site[^/]*/sub-\d+)'; if they are visits, views or copies of "
            "the same people, change nothing: that would put one person into train and test"
        )
        ways = [["/".join((*place, subject)) for place in places] for subject, places in sorted(shared.items())]
        found.add(Suspicion("subject-in-several-folders", sentence, count, mend), list(ways))
    elif names := _much_shared(sorts):
        found.notes.append(
            f"Most subjects lie in several of the folders {', '.join(names)}. Only if each folder numbers its people "
            "by itself, these are different people: then take the folder into the subject."
        )


def _folders_before(image: str, pattern: re.Pattern[str] | None) -> tuple[str, ...]:
    """The folders in front of the subject; where no pattern found it in the path, those that are named like sites.

    A column or a header is the owner's word that people are told apart, and folders may be anything.
    """
    file = split_name(image)[0]
    if pattern is None:
        return tuple(folder for folder in PurePosixPath(file).parts[:-1] if SITE.search(folder))
    file = unicodedata.normalize("NFC", file)
    match = pattern.search(file)
    return tuple(file[: match.start("subject")].split("/")[:-1]) if match else ()


def _sorts(classes: Sequence[str]) -> Callable[[str], bool]:
    """Whether a folder is named after a split, a label or a portion; `1` is the label 1, and `site 1` is not.

    Labels are looked up by their first word and folders are remembered: both may be thousands.
    """
    exact: set[str] = set()
    labels: dict[str, list[set[str]]] = defaultdict(list)
    for words in filter(None, map(_words, classes)):
        if len(words) == 1:
            exact.add(words[0])
        if not all(map(str.isdecimal, words)):
            labels[words[0]].append(set(words))

    @cache
    def is_sort(folder: str) -> bool:
        if folder.lower() in SPLIT_NAMES or folder.casefold() in exact or PORTION.fullmatch(folder):
            return True
        words = set(_words(folder))
        return any(label <= words for word in words for label in labels.get(word, ()))

    return is_sort


def _words(text: str) -> list[str]:
    """Runs of letters and of digits, whatever their capitals."""
    return re.findall(r"[^\W\d_]+|\d+", unicodedata.normalize("NFKC", text).casefold())


def _are_labels(labels: Mapping[tuple[str, ...], set[str]]) -> bool:
    """Whether places have no label in common: they are folders of labels, whatever they are called."""
    return sum(map(len, labels.values())) == len(set().union(*labels.values()))


def _in_several(places: Mapping[tuple[str, ...], set[str]]) -> dict[str, list[tuple[str, ...]]]:
    """Subjects with the places they lie in, if several; a place of one subject is a folder of that person's own."""
    where: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for place, subjects in sorted(places.items()):
        if len(subjects) > 1:
            for subject in subjects:
                where[subject].append(place)
    return {subject: found for subject, found in where.items() if len(found) > 1}


def _much_shared(places: Mapping[tuple[str, ...], set[str]]) -> list[str]:
    """Two folders of splits or labels that have at least half of the subjects of the smaller one in common."""
    named = sorted(place for place in places if place)[:MOST_FOLDERS]
    for one, other in combinations(named, 2):
        both = len(places[one] & places[other])
        if both >= max(LEAST_SHARED, MUCH_SHARED * min(len(places[one]), len(places[other]))):
            return ["/".join(one), "/".join(other)]
    return []
