"""Label sets that `labels` names: wrong ones are told as soon as the cohort's are known, before anything trains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np

from ..cohort.table import Cohort
from ..core.errors import InputError
from ..core.progress import console
from .config import SynthesisConfig

SEPARATOR = "|"
"""Between the labels of a set, as in labels.csv."""
WHERE = "[synthesis] labels"
MOST = 20
"""Label sets that are listed."""


def labels_of(name: str) -> frozenset[str]:
    """The labels of a set by its name, in which they may stand in any order."""
    return frozenset(name.split(SEPARATOR))


def check_label_sets(cohort: Cohort, config: SynthesisConfig, shared_by: int = 1) -> None:
    """`InputError` where `labels` names a set that no train image was given, or none that enough people were given.

    Where it names no set, one of all must have enough people; who has no label yet may still be given one, so that
    nothing is said then. A set that too few people were given yields nothing, which is said. `shared_by`: people who
    share a condition that is not blended; 1: conditions are blended.
    """
    subjects = _subjects_by_set(cohort)
    least = max(config.fewest_subjects, shared_by if shared_by > 1 else config.blend)
    if isinstance(config.labels, str):
        if not cohort.unlabelled and max(subjects.values(), default=0) < least:
            raise nobody_enough(least)
        return
    refuse_unknown(config.labels, list(subjects))
    by_labels = {labels_of(name): count for name, count in subjects.items()}
    wanted = [name for name, weight in config.labels.items() if weight > 0]
    rare = [name for name in wanted if by_labels[labels_of(name)] < least]
    few = f"fewer than {least} train subjects were given"
    if len(rare) == len(wanted):
        enough = [name for name, count in subjects.items() if count >= least]
        raise InputError(
            f"Of every label set that is wanted {few}, so that no image could be drawn",
            where=WHERE,
            how=f"give a weight to one of {_listed(enough)}" if enough else "give the cohort more labelled subjects",
        )
    for name in rare:
        console.print(f"synthesis: {few} the label set {name!r}: it will yield nothing", markup=False, soft_wrap=True)


def nobody_enough(least: int) -> InputError:
    """What to say where no label set was given to `least` train subjects."""
    return InputError(
        f"No label set has {least} train subjects, so that no condition can be blended and no image be drawn",
        where="[synthesis] fewest_subjects",
        how=f"give the cohort more people with the same labels, {least} of them in train at least, or join labels; or"
        " lower [synthesis] fewest_subjects and blend, and [features] k_same where conditions are centroids",
    )


def refuse_unknown(wanted: Iterable[str], known: Sequence[str]) -> None:
    """`InputError` with every name of `wanted` that is no label set of `known`, and those that are near it."""
    there = {labels_of(name) for name in known}
    unknown = [name for name in wanted if labels_of(name) not in there]
    if not unknown:
        return
    told = [f"{name!r}{_near(name, known)}" for name in unknown]
    raise InputError(
        f"No train image has the label set{'s' if len(told) > 1 else ''} {', '.join(told)}",
        where=WHERE,
        how=f"use label sets of the cohort, labels joined by {SEPARATOR}: {_listed(known)}",
    )


def _near(name: str, known: Sequence[str]) -> str:
    """Which of the known label sets may be meant: alike whatever the case, the spaces and the order of the labels."""
    plain = {_plain(other): other for other in reversed(known)}
    same = plain.get(_plain(name))
    found = [same] if same else [plain[match] for match in get_close_matches(_plain(name), list(plain), 3, 0.7)]
    if not found:
        # of several labels one may be misspelt so that the whole is far from all sets
        single = {_plain(label): label for other in known for label in sorted(labels_of(other))}
        words = [_closest(_plain(label), single) for label in sorted(labels_of(name))]
        found = [other for other in known if labels_of(other) == frozenset(words)]
    return f" (did you mean {' or '.join(map(repr, found))}?)" if found else ""


def _closest(word: str, known: dict[str, str]) -> str:
    return next((known[match] for match in get_close_matches(word, list(known), 1, 0.6)), word)


def _plain(name: str) -> str:
    return SEPARATOR.join(sorted("".join(label.casefold().split()) for label in labels_of(name)))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(map(repr, names[:MOST])) + more


def _subjects_by_set(cohort: Cohort) -> dict[str, int]:
    """How many train subjects were given each label set, by its name; the most frequent first."""
    people: dict[str, set[str]] = {}
    rows = np.flatnonzero((cohort.splits == "train") & cohort.labelled)
    labels, subjects = cohort.labels, cohort.subjects
    for row in rows.tolist():
        people.setdefault(SEPARATOR.join(labels[row]), set()).add(str(subjects[row]))
    return {name: len(people[name]) for name in sorted(people, key=lambda name: (-len(people[name]), name))}
