"""Whether subjects are people: what suggests that one person has several subjects, or that one subject is several."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from ...core.letters import with_code_points
from ...core.words import plural
from ...images.picture import split_name
from ...images.reasons import Reason
from ...layouts.config import CohortConfig
from ...layouts.layout import SubjectRule
from ...layouts.listing import Listing, Refusal
from ...layouts.registry import LAYOUTS, word_of
from ...layouts.subjects import doubtful_subjects, look_alikes, own_name, why_unknown
from ..table import Cohort
from .folder_checks import suspect_folders
from .suspicion import EXAMPLES, Findings, Suspicion


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


def suspect_subjects(config: CohortConfig, listing: Listing, cohort: Cohort, quarantine: Sequence[Refusal]) -> Findings:
    """Everything about the subjects of a cohort that its owner should look at, the most dangerous first.

    One person under several subjects may be in train and in test; several people under one subject are protected as if
    they were one, and blur what the judges learn of a person.
    """
    found = Findings()
    _suspect_spellings(cohort, found)
    _tell_spellings(listing, cohort, found)
    _suspect_declared(config, listing, cohort, found)
    _suspect_unknown(quarantine, found)
    _suspect_doubtful(cohort, found)
    _suspect_folders(config, listing.layout, cohort, found)
    return found


def _suspect_spellings(cohort: Cohort, found: Findings) -> None:
    images = cohort.table["image"].tolist()
    # where every image is a person of its own, the names of files are no spellings of people
    split = {s: name for s, name, i in zip(cohort.subjects, cohort.splits, images, strict=True) if s != own_name(i)}
    groups = look_alikes(split)
    if not groups:
        return
    alike = sum(map(len, groups))
    divided = [members for members in groups if len({split[subject] for subject in members}) > 1]
    sentence = (
        f"{alike:,} of {plural(len(split), 'subject')} differ from another one only in capitals, blanks, punctuation, "
        f"form of letters or zeros before a number{_in_two_splits(len(divided))}"
    )
    mend = "if they are one person, write that subject in one way and read the input again"
    ordered = sorted(groups, key=lambda members: members not in divided)
    found.add(Suspicion("look-alike-subjects", sentence, alike, mend), [_shown(members) for members in ordered])


def _tell_spellings(listing: Listing, cohort: Cohort, found: Findings) -> None:
    """Subjects that were written in ways that nobody can tell apart, and were taken for one person each."""
    kept = set(cohort.subjects)
    groups = [list(forms) for subject, forms in listing.spelt.items() if subject in kept]
    if not groups:
        return
    was, each = ("was", "it is") if len(groups) == 1 else ("were", "each is")
    sentence = (
        f"{plural(len(groups), 'subject')} {was} written in several ways that differ only in invisible letters, kinds "
        f"of blanks or full-width forms; {each} taken for one person"
    )
    mend = "if they are different people, write them so that one can see it"
    found.add(Suspicion("spellings-of-one-subject", sentence, len(groups), mend), [_shown(forms) for forms in groups])


def _shown(members: Sequence[str]) -> list[str]:
    """Spellings with their code points where letters beyond ASCII may be the difference."""
    plain = all(member.isascii() and member.isprintable() for member in members)
    return list(members) if plain else [with_code_points(member) for member in members]


def _in_two_splits(count: int) -> str:
    return f"; {plural(count, 'time')} they are in different splits" if count else ""


def _suspect_declared(config: CohortConfig, listing: Listing, cohort: Cohort, found: Findings) -> None:
    """Compare the subjects that `--subject` makes with whom the input names."""
    declared = _declared(config, listing, cohort)
    rule = LAYOUTS.get(listing.layout).subjects
    what = f"value of the column {config.subject_column!r}" if rule is None or not rule.called else rule.called
    of_id, of_subject = defaultdict(set), defaultdict(set)
    for image, subject in zip(cohort.table["image"], cohort.subjects, strict=True):
        said = declared.get(image, "")
        if said and not why_unknown(said):
            of_id[said].add(subject)
            # that folders differ is for `suspect_folders` to say
            of_subject[subject].add(said.rsplit("/", 1)[-1] if rule is not None and rule.with_folders else said)
    shared = [sorted(subjects) for _, subjects in sorted(of_id.items()) if len(subjects) > 1]
    if count := len({subject for subjects in shared for subject in subjects}):
        split = dict(zip(cohort.subjects, cohort.splits, strict=True))
        divided = sum(len({split[subject] for subject in subjects}) > 1 for subjects in shared)
        verb = "shares" if count == 1 else "share"
        sentence = f"{plural(count, 'subject')} {verb} a {what} with another subject{_in_two_splits(divided)}"
        mend = f"leave out --subject, unless the same {what} was given to several people"
        found.add(Suspicion("shared-patient-id", sentence, count, mend), list(shared))
    joined = {subject: sorted(names) for subject, names in of_subject.items() if len(names) > 1}
    if joined:
        has = "has" if len(joined) == 1 else "have"
        sentence = f"{plural(len(joined), 'subject')} {has} images with more than one {what}"
        mend = f"leave out --subject, unless one person was given more than one {what}"
        shown = [f"{subject} ({', '.join(names[:EXAMPLES])})" for subject, names in sorted(joined.items())]
        found.add(Suspicion("several-patient-ids", sentence, len(joined), mend), list(shown))


def _declared(config: CohortConfig, listing: Listing, cohort: Cohort) -> Mapping[str, str]:
    """Who is on each image by the input's own account, where `--subject` is another."""
    rule = LAYOUTS.get(listing.layout).subjects
    if rule is None or rule.pattern is None or config.subject is None:
        return listing.declared
    matches = {image: rule.pattern.search(split_name(image)[0]) for image in cohort.table["image"]}
    return {image: rule.name(match) for image, match in matches.items() if match}


def _suspect_unknown(quarantine: Sequence[Refusal], found: Findings) -> None:
    details = Counter(detail for _, reason, detail in quarantine if reason == Reason.SUBJECT_UNKNOWN)
    if not details:
        return
    count = details.total()
    sentence = (
        f"{plural(count, 'image')} left out, because the subject is a placeholder, a shortened number or undecodable"
    )
    mend = "say who is on them (a placeholder may stand for anybody), or leave them out"
    shown = [f"{detail} ({plural(images, 'image')})" for detail, images in details.most_common(EXAMPLES)]
    found.add(Suspicion(Reason.SUBJECT_UNKNOWN.value, sentence, count, mend), list(shown))


def _suspect_doubtful(cohort: Cohort, found: Findings) -> None:
    """Subjects that are called like nobody, and were kept because somebody may be called so."""
    pairs = zip(cohort.table["image"], cohort.subjects, strict=True)
    images = Counter(subject for image, subject in pairs if subject != own_name(image))
    doubtful = doubtful_subjects(images)
    if not doubtful:
        return
    is_, stands = ("is", "it may stand") if len(doubtful) == 1 else ("are", "each may stand")
    sentence = (
        f"{plural(len(doubtful), 'subject')} {is_} written like a placeholder (zeros, one repeated digit, X, TEST, NA "
        f"…): {stands} for several people"
    )
    mend = "if they stand for nobody known, say who is on those images or leave them out"
    shown = [f"{subject} ({plural(images[subject], 'image')})" for subject in doubtful[:EXAMPLES]]
    found.add(Suspicion("doubtful-subject", sentence, len(doubtful), mend), list(shown))


def _suspect_folders(config: CohortConfig, layout: str, cohort: Cohort, found: Findings) -> None:
    """Ask about folders, unless every image is a person of its own, or the data set numbers all its people at once."""
    rule = LAYOUTS.get(layout).subjects
    if config.subject == "file" or (config.subject is None and rule is not None and rule.numbered_once):
        return
    suspect_folders(cohort, _pattern(config, rule), rule, found)


def _pattern(config: CohortConfig, rule: SubjectRule | None) -> re.Pattern[str] | None:
    if searches_paths(config):
        return re.compile(str(config.subject))
    return None if rule is None else rule.pattern
