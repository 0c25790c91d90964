"""Whether subjects are people: what suggests that one person has several subjects, or that one subject is several."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import PurePosixPath

from ...images.picture import split_name
from ...images.reasons import Reason
from ...layouts.config import CohortConfig
from ...layouts.folder_words import PORTION, SERIAL, SITE, without_copies
from ...layouts.layout import SubjectRule
from ...layouts.listing import Listing, Refusal
from ...layouts.registry import LAYOUTS, word_of
from ...layouts.split_folders import SPLIT_NAMES
from ...layouts.subjects import doubtful_subjects, look_alikes, own_name, why_unknown
from ..table import Cohort
from .understanding import EXAMPLES, Warning, counted

LEAST_SHARED, MUCH_SHARED = 5, 0.5
"""Subjects, and their share of the smaller folder, in two folders of splits or labels from which a note is made."""
MOST_FOLDERS = 50
"""Folders of splits and labels up to which they are compared in pairs."""


Places = dict[tuple[str, ...], set[str]]
"""Subjects by the folders that they lie in."""


@dataclass
class Suspicions:
    """Warnings without subject or path, the subjects behind each by its kind, and sentences that only inform."""

    warnings: list[Warning] = field(default_factory=list)
    examples: dict[str, list[str | list[str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, warning: Warning, examples: Sequence[str | list[str]]) -> None:
        """Take a warning and the first of its examples."""
        self.warnings.append(warning)
        self.examples[warning.kind] = list(examples[:EXAMPLES])


def subject_from(config: CohortConfig, layout: str) -> str:
    """Where the subject of every image was taken from, in words."""
    if config.subject == "file":
        return "the file: every image is a person of its own (--subject file)"
    if searches_paths(config):
        return f"the pattern {config.subject} in the path (--subject)"
    rule = LAYOUTS.get(layout).subjects
    return f"the column {config.subject_column!r}" if rule is None else rule.found_in


def searches_paths(config: CohortConfig) -> bool:
    """Whether `--subject` is a pattern, not a word for every file or for what a layout finds by itself."""
    return config.subject not in (None, "file") and word_of("subject", str(config.subject), config.layout) is None


def suspect_subjects(
    config: CohortConfig, listing: Listing, cohort: Cohort, quarantine: Sequence[Refusal]
) -> Suspicions:
    """Everything about the subjects of a cohort that its owner should look at, the most dangerous first.

    One person under several subjects may be in train and in test; several people under one subject are protected as if
    they were one, and blur what the judges learn of a person.
    """
    found = Suspicions()
    _suspect_spellings(cohort, found)
    _suspect_declared(config, listing, cohort, found)
    _suspect_unknown(quarantine, found)
    _suspect_doubtful(cohort, found)
    _suspect_folders(config, listing.layout, cohort, found)
    return found


def _suspect_spellings(cohort: Cohort, found: Suspicions) -> None:
    images = cohort.table["image"].tolist()
    # where every image is a person of its own, the names of files are no spellings of people
    split = {s: part for s, part, i in zip(cohort.subjects, cohort.splits, images, strict=True) if s != own_name(i)}
    groups = look_alikes(split)
    if not groups:
        return
    alike = sum(map(len, groups))
    torn = [members for members in groups if len({split[subject] for subject in members}) > 1]
    sentence = (
        f"{alike:,} of {counted(len(split), 'subject')} differ from another one only in capitals, blanks, punctuation, "
        f"form of letters or zeros before a number{_torn(len(torn))}"
    )
    mend = "if they are one person, write that subject in one way and read the input again"
    ordered = sorted(groups, key=lambda members: members not in torn)
    found.add(Warning("look-alike-subjects", sentence, alike, mend), list(ordered))


def _torn(count: int) -> str:
    return f"; {counted(count, 'time')} they are in different splits" if count else ""


def _suspect_declared(config: CohortConfig, listing: Listing, cohort: Cohort, found: Suspicions) -> None:
    """Compare the subjects that `--subject` makes with whom the input names."""
    declared = _declared(config, listing, cohort)
    rule = LAYOUTS.get(listing.layout).subjects
    what = f"value of the column {config.subject_column!r}" if rule is None or not rule.called else rule.called
    of_id, of_subject = defaultdict(set), defaultdict(set)
    for image, subject in zip(cohort.table["image"], cohort.subjects, strict=True):
        said = declared.get(image, "")
        if said and not why_unknown(said):
            of_id[said].add(subject)
            # that folders differ is for `_suspect_folders` to say
            of_subject[subject].add(said.rsplit("/", 1)[-1] if rule is not None and rule.with_folders else said)
    shared = [sorted(subjects) for _, subjects in sorted(of_id.items()) if len(subjects) > 1]
    if count := len({subject for subjects in shared for subject in subjects}):
        split = dict(zip(cohort.subjects, cohort.splits, strict=True))
        torn = sum(len({split[subject] for subject in subjects}) > 1 for subjects in shared)
        verb = "shares" if count == 1 else "share"
        sentence = f"{counted(count, 'subject')} {verb} a {what} with another subject{_torn(torn)}"
        mend = f"leave out --subject, unless the same {what} was given to several people"
        found.add(Warning("shared-patient-id", sentence, count, mend), list(shared))
    joined = {subject: sorted(people) for subject, people in of_subject.items() if len(people) > 1}
    if joined:
        has = "has" if len(joined) == 1 else "have"
        sentence = f"{counted(len(joined), 'subject')} {has} images with more than one {what}"
        mend = f"leave out --subject, unless one person was given more than one {what}"
        shown = [f"{subject} ({', '.join(people[:EXAMPLES])})" for subject, people in sorted(joined.items())]
        found.add(Warning("several-patient-ids", sentence, len(joined), mend), list(shown))


def _declared(config: CohortConfig, listing: Listing, cohort: Cohort) -> Mapping[str, str]:
    """Who is on each image by the input's own account, where `--subject` is another."""
    rule = LAYOUTS.get(listing.layout).subjects
    if rule is None or rule.pattern is None or config.subject is None:
        return listing.declared
    matches = {image: rule.pattern.search(split_name(image)[0]) for image in cohort.table["image"]}
    return {image: rule.name(match) for image, match in matches.items() if match}


def _suspect_unknown(quarantine: Sequence[Refusal], found: Suspicions) -> None:
    details = Counter(detail for _, reason, detail in quarantine if reason == Reason.SUBJECT_UNKNOWN)
    if not details:
        return
    count = details.total()
    sentence = f"{counted(count, 'image')} left out, because the subject is a placeholder or a shortened number"
    mend = "say who is on them (a placeholder may stand for anybody), or leave them out"
    shown = [f"{detail} ({counted(images, 'image')})" for detail, images in details.most_common(EXAMPLES)]
    found.add(Warning(Reason.SUBJECT_UNKNOWN.value, sentence, count, mend), list(shown))


def _suspect_doubtful(cohort: Cohort, found: Suspicions) -> None:
    """Subjects that are called like nobody, and were kept because somebody may be called so."""
    pairs = zip(cohort.table["image"], cohort.subjects, strict=True)
    images = Counter(subject for image, subject in pairs if subject != own_name(image))
    doubtful = doubtful_subjects(images)
    if not doubtful:
        return
    is_, stands = ("is", "it may stand") if len(doubtful) == 1 else ("are", "each may stand")
    sentence = (
        f"{counted(len(doubtful), 'subject')} {is_} written like a placeholder (zeros, one repeated digit, X, TEST, NA "
        f"…): {stands} for several people"
    )
    mend = "if they stand for nobody known, say who is on those images or leave them out"
    shown = [f"{subject} ({counted(images[subject], 'image')})" for subject in doubtful[:EXAMPLES]]
    found.add(Warning("doubtful-subject", sentence, len(doubtful), mend), list(shown))


def _suspect_folders(config: CohortConfig, layout: str, cohort: Cohort, found: Suspicions) -> None:
    """Whether subjects of one name lie in several folders that may each number people by itself."""
    rule = LAYOUTS.get(layout).subjects
    pattern = _pattern(config, rule)
    if config.subject == "file" or (config.subject is None and rule is not None and rule.numbered_once):
        return
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
        sentence = f"{counted(count, 'subject')} {lies} in several folders: of two hospitals, these may be two people"
        mend = (
            "only if these folders are hospitals or studies that each number people by themselves, take the folder "
            r"into the subject: --subject '(?P<subject>site[^/]*/sub-\d+)'; if they are visits, views or copies of "
            "the same people, change nothing: that would put one person into train and test"
        )
        ways = [["/".join((*place, subject)) for place in places] for subject, places in sorted(shared.items())]
        found.add(Warning("subject-in-several-folders", sentence, count, mend), list(ways))
    elif names := _much_shared(sorts):
        found.notes.append(
            f"Most subjects lie in several of the folders {', '.join(names)}. Only if each folder numbers its people "
            "by itself, these are different people: then take the folder into the subject."
        )


def _pattern(config: CohortConfig, rule: SubjectRule | None) -> re.Pattern[str] | None:
    if searches_paths(config):
        return re.compile(str(config.subject))
    return None if rule is None else rule.pattern


def _folders_before(image: str, pattern: re.Pattern[str] | None) -> tuple[str, ...]:
    """The folders in front of the subject; where no pattern found it in the path, those that are named like sites.

    A column or a header is the owner's word that people are told apart, and folders may be anything.
    """
    file = split_name(image)[0]
    if pattern is None:
        return tuple(folder for folder in PurePosixPath(file).parts[:-1] if SITE.search(folder))
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
